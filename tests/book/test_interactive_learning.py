"""Figure 2, "A dataset and a learner", and figure 3, "The landscape of failure", in a real browser."""

import re

import numpy as np
import pytest
from tools.audit import axe_violations

from pjap.games import (
    critical_steepness,
    datasets,
    leading_eigenvalue,
    learn,
    pjap_gradient,
    proximal_probabilities,
    sign_agreement,
    twin_peaks,
)
from pjap.priorities import effective_sample_size, joint_action_distance
from tests.book.figure_tools import (
    copied,
    drag,
    figure_on,
    handle_of,
    next_frame,
    numbers,
    on_page,
    place,
    run_python,
    sideways_scroll,
    url_state,
)

CHAPTER_5, CHAPTER_6, CHAPTER_7 = (
    f"book/{name}.html" for name in ("05-when-does-it-happen", "06-pjap", "07-twin-peaks")
)
STEPS = 100
GAMES = {"twin-peaks": twin_peaks(), "sign-agreement": sign_agreement()}
MOVES = {"both": [1, 1], "x": [1, 0], "y": [0, 1]}
DRAWN = [[0.6, -0.6], [0.5, 0.4], [-0.3, 0.2]]
STATES = [
    {"game": "twin-peaks", "data": "spread-1", "start": "-0.5,0.5", "steepness": "4", "players": "both", "step": "100"},
    {"game": "twin-peaks", "data": "mirrored", "start": "0.3,-0.9", "steepness": "0", "players": "both", "step": "37"},
    {"game": "twin-peaks", "data": "two-teams", "start": "0,0", "steepness": "12.5", "players": "x", "step": "80"},
    {"game": "sign-agreement", "data": "uniform-20", "start": "-1,1", "steepness": "2", "players": "y", "step": "0"},
    {
        "game": "sign-agreement",
        "data": "drawn",
        "start": "0.25,0.1",
        "steepness": "6",
        "players": "both",
        "step": "50",
        "drawn": ";".join(f"{x},{y}" for x, y in DRAWN),
    },
]


def address(page_name, figure_name, state):
    return f"{page_name}#pjap&" + "&".join(f"{figure_name}.{key}={value}" for key, value in state.items())


def pair(text):
    return [float(value) for value in text.split(",")]


@pytest.fixture(scope="module")
def sources(site, browser):
    """The datasets of the figures: for each its rows and the Python that is said to make them."""
    page = browser.new_page()
    page.goto(f"{site}/{CHAPTER_7}")
    found = page.evaluate(
        """import('/_static/figures/datasets.js').then(({ SOURCES }) =>
        Object.fromEntries(Object.entries(SOURCES).map(([key, { python, rows }]) => [key, [python, rows()]])))"""
    )
    page.close()
    return found


def test_a_datasets_python_makes_its_rows(sources):
    assert len(sources) >= 6
    for python, rows in sources.values():
        scope = {"np": np, "datasets": datasets}
        exec(python, scope)
        assert np.array_equal(scope["data"], rows), python


def test_the_datasets_are_those_of_the_chapters(sources):
    """Chapter 7 draws 500 points; here are the first 250, in thousandths."""
    peak = np.full(2, np.sqrt(3 / 8))
    for spread in (0.2, 0.5, 1):
        rows = datasets.gaussian(peak, spread**2, 500, seed=0)[:250]
        assert np.abs(rows - sources[f"spread-{spread}"][1]).max() < 0.001


# --------------------------------------------- figure 2, a dataset and a learner


def expected(state, sources):
    """What the package computes for a state of figure 2: policy, reward, sampled distance, effective sample size."""
    game, step = GAMES[state["game"]], int(state["step"])
    data = np.array(DRAWN if state["data"] == "drawn" else sources[state["data"]][1])

    def update(game, policy, data, steepness):
        return pjap_gradient(game, policy, data, steepness=steepness) * np.array(MOVES[state["players"]])

    values = {}
    for name, steepness in (("brud", 0.0), ("pjap", float(state["steepness"]))):
        history = learn(game, data, pair(state["start"]), update=update, steepness=steepness, steps=STEPS)
        policy = history.policies[step]
        probabilities = proximal_probabilities(policy, data, steepness=steepness)
        distance = probabilities @ joint_action_distance(data, policy)
        values[name] = [*policy, history.rewards[step], distance, effective_sample_size(probabilities)]
    return values


def assert_shows(figure, state, sources):
    """The figure's values, for machines and for readers, are the package's."""
    for name, value in expected(state, sources).items():
        shown = numbers(figure, name)
        assert shown == pytest.approx(value, rel=1e-6, abs=1e-6), name
        written = {
            "policy": f"({shown[0]:.2f}, {shown[1]:.2f})",
            "reward": f"{shown[2]:.2f}",
            "distance": f"{shown[3]:.2f}",
            "size": f"{shown[4]:.{1 if shown[4] < 10 else 0}f} of ",
        }
        for row, text in written.items():
            cell = figure.locator(f'td[data-value="{name}.{row}"]').text_content()
            cell = cell.replace("\N{MINUS SIGN}", "-")
            numeral = r"-?\d+(?:\.\d+)?"
            assert [float(n) for n in re.findall(numeral, cell)][: len(re.findall(numeral, text))] == pytest.approx(
                [float(n) for n in re.findall(numeral, text)], abs=0.0101 if row != "size" else 1.0
            )


def answered(page):
    """Figure 2 of a page, its question answered."""
    figure = figure_on(page, "learner")
    figure.locator("[data-choice=wrong]").click()
    next_frame(page)
    return figure


def still(visit, where=CHAPTER_7):
    """Figure 2 as it stands after the answer, where it does not play."""
    return answered(visit(where, reduced_motion="reduce"))


def start_of(figure):
    return handle_of(figure, "Start of both teams, uniform (BRUD)")


def test_chapter_7_starts_with_its_widest_data(visit, sources):
    figure = still(visit)
    assert_shows(figure, STATES[0], sources)


@pytest.mark.parametrize("label", ["uniform (BRUD)", "PJAP"])
def test_a_dragged_start_teaches_both_teams_anew(visit, sources, label):
    figure = still(visit)
    handle = handle_of(figure, f"Start of both teams, {label}")
    if label == "uniform (BRUD)":
        drag(figure, handle, (0.4, -0.7))
        assert place(handle) == pytest.approx((0.4, -0.7), abs=0.02)
    else:
        handle.press("ArrowRight")
        handle.press("Shift+ArrowUp")
        next_frame(figure.page)
        assert place(handle) == (-0.45, 0.51)
    x, y = place(handle)
    assert place(start_of(figure)) == (x, y), "both squares show one start"
    assert_shows(figure, STATES[0] | {"start": f"{x},{y}"}, sources)


def test_moved_by_keyboard_it_shows_what_the_package_computes(visit, sources):
    figure = still(visit)
    handle = start_of(figure)
    for key in ("ArrowLeft", "ArrowLeft", "Shift+ArrowDown"):
        handle.press(key)
    next_frame(figure.page)
    assert place(handle) == (-0.6, 0.49)
    assert_shows(figure, STATES[0] | {"start": "-0.6,0.49"}, sources)


def test_each_control_changes_what_is_shown(visit, sources):
    figure = still(visit)
    state = dict(STATES[0])

    def shows(**change):
        state.update(change)
        next_frame(figure.page)
        assert_shows(figure, state, sources)

    figure.get_by_role("combobox", name="Data").select_option("two-teams")
    shows(data="two-teams")
    figure.get_by_label("X only").check()
    shows(players="x")
    figure.get_by_label("both", exact=True).check()
    shows(players="both")
    slider = figure.get_by_label("Steepness of PJAP")
    slider.press("Home")
    assert slider.get_attribute("aria-valuetext") == "0.00"
    shows(steepness="0")
    assert numbers(figure, "pjap") == pytest.approx(numbers(figure, "brud"), rel=1e-9), "PJAP of steepness 0 is BRUD"
    slider.press("End")
    shows(steepness="32")
    figure.get_by_role("combobox", name="Game").select_option("sign-agreement")
    shows(game="sign-agreement")
    figure.get_by_role("button", name="Reset").click()
    shows(**STATES[0])


def test_time_can_be_scrubbed_stepped_played_and_paused(visit, sources):
    figure = answered(visit(CHAPTER_7))
    page, state = figure.page, dict(STATES[0])
    scrubber = figure.get_by_role("slider", name="Step", exact=True)
    scrubber.press("Home")
    next_frame(page)
    assert_shows(figure, state | {"step": "0"}, sources)
    figure.get_by_role("button", name="Step on").click()
    figure.get_by_role("button", name="Step on").click()
    figure.get_by_role("button", name="Step back").click()
    next_frame(page)
    assert scrubber.get_attribute("aria-valuetext") == "step 1 of 100"
    assert_shows(figure, state | {"step": "1"}, sources)
    figure.get_by_role("button", name="Play").click()
    page.wait_for_function("Number(document.querySelector('.pjap-transport input').value) > 5")
    figure.get_by_role("button", name="Pause").click()
    next_frame(page)
    paused = scrubber.input_value()
    page.wait_for_timeout(200)
    assert scrubber.input_value() == paused
    assert_shows(figure, state | {"step": paused}, sources)
    figure.get_by_role("button", name="Play").click()
    page.wait_for_function("document.querySelector('.pjap-transport input').value === '100'", timeout=30_000)
    figure.get_by_role("button", name="Play").wait_for()


@pytest.mark.parametrize("hold", ["new KeyboardEvent('keydown', {key: 'Home'})", "new PointerEvent('pointerdown')"])
def test_taking_hold_of_time_stops_the_film_where_that_moves_nothing(visit, sources, hold):
    figure = figure_on(visit(CHAPTER_7), "learner")
    figure.evaluate(
        f"""figure => {{
            figure.querySelector('[data-choice=wrong]').click();
            return new Promise(requestAnimationFrame).then(() => {{  // it plays now, and is still at step 0
                figure.querySelector('.pjap-transport input').dispatchEvent({hold});
            }});
        }}"""
    )
    figure.page.wait_for_timeout(200)
    assert_shows(figure, STATES[0] | {"step": "0"}, sources)
    figure.get_by_role("button", name="Play").wait_for()


def test_with_reduced_motion_it_goes_on_in_steps(visit, sources):
    figure = still(visit, address(CHAPTER_7, "learner", STATES[1]))
    figure.get_by_role("button", name="Ten steps on").click()
    next_frame(figure.page)
    assert_shows(figure, STATES[1] | {"step": "47"}, sources)
    figure.page.wait_for_timeout(200)
    assert figure.get_by_role("slider", name="Step", exact=True).input_value() == "47"
    assert figure.evaluate("figure => figure.getAnimations({subtree: true}).length") == 0


def test_the_more_a_point_is_sampled_the_more_solid_it_is(visit, sources):
    state = STATES[2]
    figure = still(visit, address(CHAPTER_7, "learner", state))
    drawn = figure.evaluate(
        """figure => [...figure.querySelectorAll('.pjap-board')].map(board =>
        [...board.querySelectorAll('.pjap-dots')].flatMap(path =>
        (path.getAttribute('d') ?? '').split('M').slice(1).map(text =>
        [...text.replace('h0', '').split(' ').map(Number), Number(path.getAttribute('stroke-opacity'))])))"""
    )
    data = np.array(sources[state["data"]][1])
    weights = proximal_probabilities(expected(state, sources)["pjap"][:2], data, steepness=float(state["steepness"]))
    inside = np.all(np.abs(data) <= 1, axis=1)
    places = figure.page.evaluate(
        "points => import('/_static/figures/ui.js').then(({ toScreen }) => points.map(toScreen))", data[inside].tolist()
    )
    shares = np.round(weights[inside] / weights[inside].max() * 15) / 15
    uniform, pjap = (np.array(board) for board in drawn)
    assert len(uniform) == len(pjap) == inside.sum()
    for spot, share in zip(places, shares, strict=True):
        # Two points may fall onto one spot.
        at_spot = pjap[np.abs(pjap[:, :2] - spot).max(axis=1) < 0.051, 2]
        assert np.abs(at_spot - (0.06 + 0.84 * share)).min() < 0.84 / 15 + 1e-9
    assert len(set(uniform[:, 2])) == 1
    assert len(set(pjap[:, 2])) > 3


def test_data_are_drawn_and_erased_by_mouse(visit, sources):
    figure = still(visit)
    page = figure.page
    figure.get_by_label("Draw data").check()
    next_frame(page)
    assert figure.get_by_role("combobox", name="Data").input_value() == "drawn"
    assert figure.locator('td[data-value="pjap.reward"]').text_content() == "no data"
    figure.locator(".pjap-frame").first.scroll_into_view_if_needed()
    for point in DRAWN:
        page.mouse.click(*on_page(figure, point))
    next_frame(page)
    drawn = [pair(text) for text in url_state(page, "learner")["drawn"].split(";")]
    assert np.array(drawn) == pytest.approx(np.array(DRAWN), abs=0.02)
    assert numbers(figure, "brud")[4] == 3

    page.mouse.move(*on_page(figure, (-0.8, -0.8)))
    page.mouse.down()
    page.mouse.move(*on_page(figure, (0.2, -0.8)), steps=40)
    page.mouse.up()
    next_frame(page)
    stroke = numbers(figure, "brud")[4] - 3
    assert 8 <= stroke <= 15, "a stroke leaves points at some distance from one another"

    figure.get_by_label("Erase data").check()
    page.mouse.move(*on_page(figure, (-0.9, -0.8)))
    page.mouse.down()
    page.mouse.move(*on_page(figure, (0.3, -0.8)), steps=40)
    page.mouse.up()
    next_frame(page)
    assert numbers(figure, "brud")[4] == 3
    figure.get_by_role("button", name="Clear drawing").click()
    next_frame(page)
    assert figure.locator('td[data-value="brud.reward"]').text_content() == "no data"


def test_data_are_drawn_and_erased_by_keyboard(visit):
    figure = still(visit)
    figure.get_by_label("Draw data").check()
    pen = handle_of(figure, "Pen")
    pen.press("Enter")
    pen.press("ArrowUp")
    pen.press("ArrowUp")
    pen.press(" ")
    next_frame(figure.page)
    assert url_state(figure.page, "learner")["drawn"] == "0,0;0,0.1"
    figure.get_by_label("Erase data").check()
    pen.press("Shift+ArrowUp")
    pen.press("Enter")
    next_frame(figure.page)
    assert url_state(figure.page, "learner")["drawn"] == "0,0"
    figure.get_by_label("Move the start").check()
    assert not pen.is_visible()


@pytest.mark.parametrize("state", STATES, ids=lambda state: state["data"])
def test_it_restores_a_state_and_its_python_gives_the_same_numbers(visit, sources, state):
    figure = still(visit, address(CHAPTER_7, "learner", state))
    assert_shows(figure, state, sources)
    code = copied(figure, "Copy as Python")
    assert figure.locator("details code").text_content() == code
    printed = run_python(code)
    lines = {"joint policy": slice(0, 2), "reward": slice(2, 3), "sampled distance": slice(3, 4)}
    lines["effective sample size"] = slice(4, 5)
    assert len(printed) == 8
    for name, words in (("brud", "uniform"), ("pjap", "PJAP")):
        for line, entries in lines.items():
            wanted = printed[f"{words} {line}"]
            assert numbers(figure, name)[entries] == pytest.approx(wanted, rel=1e-9, abs=1e-12)
    link = copied(figure, "Copy link")
    again = still(visit, link.split("/", 3)[3])
    assert_shows(again, state, sources)


def test_it_survives_states_that_it_cannot_read(visit, sources):
    figure = still(visit, f"{CHAPTER_7}#pjap&learner.start=2,0")
    page = figure.page
    assert_shows(figure, STATES[0], sources)
    for broken in (
        "start=a",
        "data=chess",
        "game=",
        "steepness=-1",
        "steepness=",
        "players=z",
        "step=1e9",
        "data=toString",
    ):
        page.evaluate("broken => location.hash = '#pjap&learner.' + broken", broken)
        next_frame(page)
        assert_shows(figure, STATES[0], sources)


@pytest.mark.parametrize(("choice", "right"), [("optimum", False), ("stays", False), ("wrong", True)])
def test_in_chapter_6_the_reader_predicts_first(visit, sources, choice, right):
    figure = figure_on(visit(CHAPTER_6, reduced_motion="reduce"), "learner")
    answers = figure.locator("td[data-value], .pjap-trail, .pjap-plot")
    assert answers.count() > 8
    assert not any(answer.is_visible() for answer in answers.all())
    figure.page.wait_for_timeout(800)  # words are said with a delay
    assert figure.locator(".pjap-unseen").text_content() == ""
    figure.locator(f"[data-choice={choice}]").click()
    next_frame(figure.page)
    assert figure.locator("td[data-value]").first.is_visible()
    state = {**STATES[0], "data": "two-teams", "start": "-0.5,0.6"}
    verdict = figure.locator(".pjap-verdict").text_content()
    assert ("You were right" in verdict) == right
    values = expected(state, sources)
    assert f"PJAP at {values['pjap'][2]:.2f}" in verdict
    assert_shows(figure, state, sources)


def test_without_data_there_is_nothing_to_predict(visit):
    figure = figure_on(visit(CHAPTER_6, reduced_motion="reduce"), "learner")
    choices, verdict = figure.locator("[data-choice]"), figure.locator(".pjap-verdict")
    figure.get_by_label("Draw data").check()
    next_frame(figure.page)
    assert all(choice.is_disabled() for choice in choices.all())
    assert "no data" in verdict.text_content()
    figure.locator("[role=status]").filter(has_text="no data").wait_for(state="attached")
    assert axe_violations(figure.page, ".pjap-figure") == []
    handle_of(figure, "Pen").press("Enter")
    next_frame(figure.page)
    assert not verdict.is_visible()
    figure.page.wait_for_timeout(800)  # words are said with a delay
    assert figure.locator("[role=status]").text_content() == ""
    choices.last.click()
    assert "Uniform replay ended at" in verdict.text_content()
    figure.get_by_role("button", name="Clear drawing").click()
    next_frame(figure.page)
    assert "Uniform replay ended at" in verdict.text_content()


def test_a_constant_series_is_a_line_in_the_middle(visit):
    """Both teams begin at sign agreement's best joint action and stay: one reward, whose range is empty."""
    state = {"game": "sign-agreement", "data": "drawn", "drawn": "0.5,0.5", "start": "1,1", "step": "50"}
    figure = still(visit, address(CHAPTER_7, "learner", state))
    assert numbers(figure, "brud")[2] == numbers(figure, "pjap")[2]
    plot = figure.locator(".pjap-plot").first
    for line in plot.locator("polyline").all():
        assert {point.split()[1] for point in re.findall(r"\S+ \S+", line.get_attribute("points"))} == {"48.0"}
    assert {dot.get_attribute("cy") for dot in plot.locator("circle").all()} == {"48"}


def test_after_the_answer_it_plays(visit):
    figure = figure_on(visit(CHAPTER_6), "learner")
    figure.locator("[data-choice=wrong]").click()
    figure.get_by_role("button", name="Pause").wait_for()


# --------------------------------------------- figure 3, the landscape of failure

UPDATES = {"pjap": "PJAP", "true": "true gradient", "brud": "BRUD"}
LANDSCAPES = [
    {"game": "twin-peaks", "data": "uniform-20", "start": "-0.5,0.7", "steepness": "2.5"},
    {"game": "twin-peaks", "data": "two-teams", "start": "0.9,-0.3", "steepness": "0"},
    {"game": "sign-agreement", "data": "mirrored", "start": "0.1,-0.2", "steepness": "4"},
]


def settled(figure):
    """Wait until the portraits are exact."""
    figure.page.wait_for_function("document.querySelector('[data-figure=landscape]').hasAttribute('data-settled')")
    next_frame(figure.page)


def landscape_expected(state, sources):
    """What the package computes for a state of figure 3: end, reward and share for each update."""
    game, data = GAMES[state["game"]], np.array(sources[state["data"]][1])
    x, y = ((np.arange(count) + 0.5) / count * 2 - 1 for count in (20, 24))
    starts = np.stack(np.meshgrid(x, y), axis=-1)
    best = game.maxima()[1][0]
    values = {}
    for update in UPDATES:
        settings = {"steepness": float(state["steepness"])} if update == "pjap" else {}
        settings |= {"update": update, "steps": 150, "step_size": 0.1}
        path, portrait = (learn(game, data, start, **settings) for start in (pair(state["start"]), starts))
        share = np.mean(portrait.rewards[-1] > best - 0.05)
        values[update] = [*path.policies[-1], path.rewards[-1], share]
    return values


def assert_landscape(figure, state, sources):
    settled(figure)
    for update, value in landscape_expected(state, sources).items():
        shown = numbers(figure, update)
        assert shown[:3] == pytest.approx(value[:3], rel=1e-6, abs=1e-6), update
        assert shown[3] == pytest.approx(value[3], abs=1e-9), update
        percent = figure.locator(f'td[data-value="{update}.share"]').text_content()
        assert percent == f"{100 * value[3]:.0f} %"


@pytest.mark.parametrize("state", LANDSCAPES, ids=lambda state: state["data"])
def test_a_landscape_is_restored_and_its_python_gives_the_same_numbers(visit, sources, state):
    figure = figure_on(visit(address(CHAPTER_5, "landscape", state)), "landscape")
    assert_landscape(figure, state, sources)
    printed = run_python(copied(figure, "Copy as Python"))
    for update, name in UPDATES.items():
        assert numbers(figure, update) == pytest.approx(printed[name], rel=1e-9, abs=1e-9)
    eigenvalue, critical = numbers(figure, "origin")
    if state["data"] != "uniform-20":  # the others lean, and the origin is not at rest
        assert np.isnan(eigenvalue)
        assert "critical steepness" not in printed
    else:
        assert eigenvalue == pytest.approx(printed["leading eigenvalue"][0], rel=1e-9, abs=1e-9)
        assert critical == pytest.approx(printed["critical steepness"][0], rel=1e-6, abs=1e-6)


def test_the_origin_splits_at_the_critical_steepness_of_the_package(visit, sources):
    page = visit(address(CHAPTER_5, "landscape", LANDSCAPES[0] | {"steepness": "0"}))
    figure = figure_on(page, "landscape")
    data = np.array(sources["uniform-20"][1])
    critical = critical_steepness(twin_peaks(), [0, 0], data)
    assert numbers(figure, "origin")[1] == pytest.approx(critical, rel=1e-6)
    assert f"critical: {critical:.2f}" in figure.locator(".pjap-ladder").text_content()
    for steepness, crosses, words in ((0, 1, "Held"), (1.5, 1, "Held"), (2.6, 2, "Free"), (4, 2, "Free")):
        state = LANDSCAPES[0] | {"steepness": str(steepness)}
        page.evaluate("fragment => location.hash = fragment", "#" + address("", "landscape", state).split("#")[1])
        next_frame(page)
        settled(figure)
        rate = leading_eigenvalue(twin_peaks(), [0, 0], data, steepness=steepness)
        assert numbers(figure, "origin")[0] == pytest.approx(rate, rel=1e-6)
        assert figure.locator(".pjap-headline").text_content().startswith(words)
        assert figure.locator(".pjap-rests").first.get_attribute("d").count("M") == crosses


def test_steepness_slides_and_the_portrait_follows(visit, sources):
    figure = figure_on(visit(CHAPTER_5), "landscape")
    assert figure.get_by_text("PJAP at steepness 0: BRUD").is_visible()
    slider = figure.get_by_label("Steepness")
    slider.focus()
    for _ in range(100):
        slider.press("ArrowRight")
    steepness = slider.get_attribute("aria-valuetext")
    assert 2 < float(steepness) < 4
    assert url_state(figure.page, "landscape")["steepness"].startswith(steepness.rstrip("0").rstrip("."))
    state = LANDSCAPES[0] | {"steepness": url_state(figure.page, "landscape")["steepness"]}
    assert_landscape(figure, state, sources)


def test_a_path_begins_where_the_reader_clicks_drags_or_moves_it(visit, sources):
    figure = figure_on(visit(CHAPTER_5), "landscape")
    start = handle_of(figure, "Start of the paths")
    figure.locator(".pjap-frame").first.scroll_into_view_if_needed()
    figure.page.mouse.click(*on_page(figure, (0.6, -0.9)))
    next_frame(figure.page)
    assert place(start) == pytest.approx((0.6, -0.9), abs=0.02)
    x, y = place(start)
    assert_landscape(figure, {**LANDSCAPES[0], "start": f"{x},{y}", "steepness": "0"}, sources)
    drag(figure, start, (-0.2, -0.4))
    assert place(start) == pytest.approx((-0.2, -0.4), abs=0.02)
    start.press("Home")
    for _ in range(4):
        start.press("ArrowRight")
    next_frame(figure.page)
    assert place(start) == (0.2, 0)
    assert_landscape(figure, {**LANDSCAPES[0], "start": "0.2,0", "steepness": "0"}, sources)


def test_a_tap_starts_a_path_and_a_finger_still_scrolls(visit):
    figure = figure_on(visit(CHAPTER_5, width=390, has_touch=True, is_mobile=True), "landscape")
    board = figure.locator(".pjap-board").first
    board.scroll_into_view_if_needed()
    figure.page.touchscreen.tap(*on_page(figure, (0.5, 0.5)))
    next_frame(figure.page)
    assert place(handle_of(figure, "Start of the paths")) == pytest.approx((0.5, 0.5), abs=0.03)
    assert board.evaluate("board => getComputedStyle(board).touchAction") == "auto"


# --------------------------------------------- both figures

PLACES = [(CHAPTER_5, "landscape"), (CHAPTER_6, "learner"), (CHAPTER_7, "learner")]


@pytest.mark.parametrize(("page_name", "name"), PLACES)
def test_without_scripts_and_on_paper_the_static_picture_stands_alone(visit, page_name, name):
    bare = visit(page_name, java_script_enabled=False)
    assert bare.locator(".pjap-figure").count() == 1
    assert not bare.locator(".pjap-figure").is_visible()
    twin = ".pjap-figure ~ .cell img, .pjap-figure ~ div.cell img"
    assert bare.locator(twin).first.is_visible()
    assert bare.locator(twin).first.get_attribute("alt")
    page = visit(page_name)
    figure = figure_on(page, name)
    page.emulate_media(media="print")
    assert not figure.is_visible()


def test_a_landscape_is_silent_until_it_is_asked(visit):
    figure = figure_on(visit(CHAPTER_5), "landscape")
    settled(figure)
    figure.page.wait_for_timeout(800)  # words are said with a delay
    assert figure.locator("[role=status]").text_content() == ""


@pytest.mark.parametrize(("page_name", "name"), PLACES)
def test_it_speaks_in_one_place(visit, page_name, name):
    figure = figure_on(visit(page_name, reduced_motion="reduce"), name)
    if figure.locator("[data-choice]").count():
        figure.locator("[data-choice=wrong]").click()
    assert figure.locator("[role=status], [role=alert], [aria-live]").count() == 1
    region = figure.locator("[role=status]")
    figure.get_by_role("slider", name=re.compile("^Start")).first.press("ArrowDown")
    region.filter(has_text="reward").wait_for(state="attached")  # once things are quiet


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1440])
@pytest.mark.parametrize(("page_name", "name"), PLACES)
def test_axe_finds_nothing_and_nothing_scrolls_sideways(visit, page_name, name, width, theme):
    page = visit(page_name, width=width, theme=theme, reduced_motion="reduce")
    figure = figure_on(page, name)
    if figure.locator("[data-choice]").count():
        figure.locator("[data-choice=wrong]").click()
    if name == "learner":
        figure.get_by_label("Draw data").check()
        for control in figure.locator("button:visible, select:visible, summary:visible").all():
            assert control.bounding_box()["height"] >= 24
    figure.get_by_text("The same in Python").click()
    next_frame(page)
    if width == 360:  # where most overflows
        assert axe_violations(page, ".pjap-figure") == []
    assert sideways_scroll(page) <= 0
