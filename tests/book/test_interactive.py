"""The interactive figures in a real browser: what all of them must do, and figure 1, "One data point"."""

import re
from decimal import ROUND_HALF_UP, Decimal

import numpy as np
import pytest
from tools.audit import axe_violations
from tools.reference_notebooks import ROOT

from pjap.games import PolynomialGame, brud_gradient, figures, learn, sign_agreement, true_gradient, twin_peaks
from tests.book.figure_tools import (
    FRAME_LIMIT,
    WEIGHT_LIMIT,
    copied,
    drag,
    figure_on,
    handle_of,
    next_frame,
    numbers,
    place,
    run_python,
    sideways_scroll,
    url_state,
    work_per_frame,
)

STATIC = ROOT / "book" / "_static"
STEPS = 300
INDEX, CHAPTER = "book/index.html", "book/04-sign-agreement.html"
STARTS = {INDEX: ([0.5, 0.4], [0.3, -0.7]), CHAPTER: ([-0.4, 0.5], [0.6, -0.7])}
OWN = "xy - 0.5x^3 + 2*y^2 - .25"
GAMES = {
    "sign-agreement": sign_agreement(),
    "twin-peaks": twin_peaks(),
    "own": PolynomialGame([[-0.25, 0, 2], [0, 1, 0], [0, 0, 0], [-0.5, 0, 0]]),
}


def expected(game, policy, recorded):
    """What the package computes for a state of figure 1."""
    policy, recorded = np.array(policy), np.array(recorded)
    brud, gradient = brud_gradient(game, policy, [recorded]), true_gradient(game, policy)
    history = learn(game, [recorded], policy, update="brud", steps=STEPS)
    return {
        "brud": brud.tolist(),
        "gradient": gradient.tolist(),
        "inner": [brud @ gradient],
        "reward": [history.rewards[0]],
        "end-reward": [history.rewards[-1]],
    }


def assert_shows(figure, game, policy, recorded):
    """The figure's values, for machines and for readers, are the package's."""
    values = expected(game, policy, recorded)
    for name, value in values.items():
        assert numbers(figure, name) == pytest.approx(value, rel=1e-6, abs=1e-6), name

    def pair(value):
        return "(" + ", ".join(rounded(number) for number in value) + ")"

    shown = {name: numbers(figure, name) for name in values}
    visible = {
        "policy": pair(policy),
        "data": pair(recorded),
        "first": rounded(shown["brud"][0]),
        "second": rounded(shown["brud"][1]),
        "brud": pair(shown["brud"]),
        "true": pair(shown["gradient"]),
        "trail": f"reward {rounded(shown['reward'][0])} → {rounded(shown['end-reward'][0])}",
    }
    for name, text in visible.items():
        assert figure.locator(f'td[data-value="{name}"]').text_content() == text, name
    headline = figure.locator('[data-value="inner"]').text_content()
    assert f"Inner product {rounded(shown['inner'][0])}:" in headline
    if np.allclose(values["brud"], values["gradient"]):
        assert "BRUD is the true gradient" in headline
    else:
        moves = np.where((np.abs(policy) == 1) & (np.multiply(policy, values["brud"]) > 0), 0, values["brud"])
        assert ("lowers" if moves @ np.array(values["gradient"]) < 0 else "raises") in headline


def rounded(value):
    """Two digits with a true minus, and no minus before zero; ties go up, as in the browser."""
    text = str(abs(Decimal(value)).quantize(Decimal("0.01"), ROUND_HALF_UP))
    return ("\N{MINUS SIGN}" if value < 0 and float(text) else "") + text


def address(page_name, policy, recorded, game="sign-agreement"):
    state = (
        f"one-point.game={game}&one-point.policy={policy[0]},{policy[1]}&one-point.recorded={recorded[0]},{recorded[1]}"
    )
    own = "&one-point.reward=" + OWN.replace("+", "%2B").replace(" ", "+") if game == "own" else ""
    return f"{page_name}#pjap&{state}{own}"


def without_comments(source):
    return re.sub(r"(?m)^\s*//.*\n", "", re.sub(r"(?s)/\*.*?\*/", "", source))


def test_all_modules_together_are_light():
    """Without comments: the budget is for what a minifier leaves, which is less still."""
    sources = {path.name: path.read_text(encoding="utf-8") for path in sorted((STATIC / "figures").rglob("*.js"))}
    weights = {name: len(without_comments(source).encode()) for name, source in sources.items()}
    whole = sum(len(source.encode()) for source in sources.values())
    print(weights, "together", sum(weights.values()), "bytes, with comments", whole)
    assert {"main.js", "ui.js", "mathematics.js", "one-point.js"} <= set(weights)
    assert sum(weights.values()) < WEIGHT_LIMIT


def test_colours_are_those_of_the_static_figures(visit):
    figure = figure_on(visit(INDEX), "one-point")
    style = figure.evaluate(
        "(figure, names) => names.map(name => getComputedStyle(figure).getPropertyValue('--pjap-' + name))",
        list(figures.COLOURS),
    )
    assert dict(zip(figures.COLOURS, style, strict=True)) == figures.COLOURS


@pytest.mark.parametrize("page_name", STARTS)
def test_without_scripts_the_static_picture_stands_alone(visit, page_name):
    page = visit(page_name, java_script_enabled=False)
    assert page.locator(".pjap-figure").count() == 1
    assert not page.locator(".pjap-figure").is_visible()
    image = page.locator("article .cell_output figure img").first
    assert image.is_visible()
    assert image.get_attribute("alt")


@pytest.mark.parametrize("page_name", STARTS)
def test_on_paper_the_static_picture_stands_alone(visit, page_name):
    page = visit(page_name)
    figure = figure_on(page, "one-point")
    page.emulate_media(media="print")
    assert not figure.is_visible()
    assert page.locator("article .cell_output figure img").first.is_visible()


def test_a_figure_that_cannot_load_leaves_the_page_as_it_is(site, browser):
    context = browser.new_context()
    page = context.new_page()
    page.route("**/one-point.js*", lambda route: route.abort())
    with page.expect_event("requestfailed"):
        page.goto(f"{site}/{INDEX}", wait_until="load")
        page.locator(".pjap-figure").evaluate("root => root.scrollIntoView()")
    page.wait_for_timeout(300)
    assert not page.locator(".pjap-figure").is_visible()
    assert page.locator("article .cell_output figure img").first.is_visible()
    context.close()


@pytest.mark.parametrize("page_name", STARTS)
def test_it_starts_as_its_page_says(visit, page_name):
    figure = figure_on(visit(page_name), "one-point")
    assert_shows(figure, sign_agreement(), *STARTS[page_name])


@pytest.mark.parametrize("game", GAMES)
def test_dragged_by_mouse_it_shows_what_the_package_computes(visit, game):
    page = visit(address(INDEX, (0.5, 0.4), (0.3, -0.7), game), reduced_motion="reduce")
    figure = figure_on(page, "one-point")
    policy, recorded = handle_of(figure, "Joint policy"), handle_of(figure, "Data point")
    for handle, target in ((policy, (-0.55, 0.25)), (recorded, (0.15, 0.9)), (policy, (0.8, -0.35))):
        drag(figure, handle, target)
        assert place(handle) == pytest.approx(target, abs=0.02)
        assert_shows(figure, GAMES[game], place(policy), place(recorded))


def test_a_handle_stays_in_the_square(visit):
    figure = figure_on(visit(INDEX), "one-point")
    policy = handle_of(figure, "Joint policy")
    drag(figure, policy, (1.3, -1.2))
    assert place(policy) == (1, -1)
    assert_shows(figure, sign_agreement(), (1, -1), STARTS[INDEX][1])


def test_a_step_that_the_border_stops_is_judged_without_it(visit):
    figure = figure_on(visit(address(INDEX, (1, -0.2), (0.1, 0.9))), "one-point")
    assert_shows(figure, sign_agreement(), (1, -0.2), (0.1, 0.9))
    assert numbers(figure, "inner")[0] < 0
    assert "raises" in figure.locator('[data-value="inner"]').text_content()


def test_it_tells_no_angle_to_an_update_of_zero(visit):
    figure = figure_on(visit(INDEX), "one-point")
    handle_of(figure, "Data point").press("Home")
    next_frame(figure.page)
    assert numbers(figure, "brud") == [0, 0]
    assert "BRUD is zero here" in figure.locator('[data-value="inner"]').text_content()


def test_with_the_data_point_on_the_policy_the_arrows_fuse(visit):
    figure = figure_on(visit(INDEX), "one-point")
    policy, recorded = handle_of(figure, "Joint policy"), handle_of(figure, "Data point")
    drag(figure, recorded, (0.5, 0.4))
    recorded.focus()
    for _ in range(5):  # the pixels of a drag may miss by a hundredth
        for axis, (less, more) in enumerate((("ArrowLeft", "ArrowRight"), ("ArrowDown", "ArrowUp"))):
            if (gap := place(policy)[axis] - place(recorded)[axis]) != 0:
                recorded.press(f"Shift+{more if gap > 0 else less}")
    next_frame(figure.page)
    assert_shows(figure, sign_agreement(), (0.5, 0.4), (0.5, 0.4))
    assert figure.get_by_text("BRUD = true gradient").is_visible()
    assert numbers(figure, "brud") == numbers(figure, "gradient")


def test_moved_by_keyboard_it_shows_what_the_package_computes(visit):
    figure = figure_on(visit(INDEX), "one-point")
    policy, recorded = handle_of(figure, "Joint policy"), handle_of(figure, "Data point")
    policy.focus()
    for keys, target in (
        (["ArrowLeft"] * 3, (0.35, 0.4)),
        (["ArrowDown", "Shift+ArrowDown"], (0.35, 0.34)),
        (["Shift+ArrowRight", "ArrowUp"], (0.36, 0.39)),
        (["Home"], (0, 0)),
        (["ArrowUp"] * 25, (0, 1)),
    ):
        for key in keys:
            policy.press(key)
        next_frame(figure.page)
        assert place(policy) == target
    policy.press("ArrowRight")
    recorded.press("ArrowUp")
    next_frame(figure.page)
    assert_shows(figure, sign_agreement(), (0.05, 1), (0.3, -0.65))


@pytest.mark.parametrize("width", [360, 1440])
def test_its_labels_neither_overlap_nor_leave_the_picture(visit, width):
    page = visit(INDEX, width=width)
    figure = figure_on(page, "one-point")
    generator = np.random.default_rng(0)
    points = np.concatenate([generator.uniform(-1, 1, (30, 2, 2)), generator.uniform(0.8, 1, (10, 2, 2))]).round(2)
    points[::5, 1] = points[::5, 0] + 0.05 * np.sign(-points[::5, 0])  # the data point beside the policy
    for game in ("sign-agreement", "twin-peaks"):
        for policy, recorded in points.round(2).tolist():
            state = address("", policy, recorded, game).split("#")[1]
            page.evaluate("fragment => location.hash = fragment", state)
            next_frame(page)
            boxes = figure.locator(".pjap-label:not([hidden])").evaluate_all(
                "labels => labels.map(label => label.getBBox())"
                ".map(box => [box.x, box.y, box.x + box.width, box.y + box.height])"
            )
            assert len(boxes) >= 2, state
            assert all(box[0] >= 0 and box[1] >= -4 and box[2] <= 474 and box[3] <= 480 for box in boxes), state
            for i, one in enumerate(boxes):
                for other in boxes[:i]:
                    width_shared = min(one[2], other[2]) - max(one[0], other[0])
                    height_shared = min(one[3], other[3]) - max(one[1], other[1])
                    assert min(width_shared, height_shared) < 4, state


def test_the_focus_can_be_seen_and_handles_are_large_enough(visit):
    figure = figure_on(visit(INDEX, width=360), "one-point")
    figure.page.keyboard.press("Tab")  # the reader uses the keyboard
    for label in ("Joint policy", "Data point"):
        handle = handle_of(figure, label)
        ring = handle.locator(".pjap-ring")
        hidden = ring.evaluate("ring => getComputedStyle(ring).stroke")
        handle.focus()
        assert ring.evaluate("ring => getComputedStyle(ring).stroke") != hidden
        reach = handle.locator(".pjap-reach").bounding_box()
        assert min(reach["width"], reach["height"]) >= 24
    for control in figure.locator("button:visible, select:visible, summary:visible").all():
        assert control.bounding_box()["height"] >= 24


def test_dragged_by_a_finger_it_moves_and_the_page_does_not(visit):
    page = visit(INDEX, width=390, has_touch=True, is_mobile=True)
    figure = figure_on(page, "one-point")
    policy = handle_of(figure, "Joint policy")
    page.wait_for_timeout(300)
    before = page.evaluate("scrollY")
    box = policy.locator(".pjap-mark").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    session = page.context.new_cdp_session(page)
    session.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": x, "y": y}]})
    for step in range(1, 9):
        session.send(
            "Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [{"x": x - 5 * step, "y": y + 10 * step}]}
        )
    session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    next_frame(page)
    assert place(policy)[1] < 0.1
    assert page.evaluate("scrollY") == before
    assert_shows(figure, sign_agreement(), place(policy), STARTS[INDEX][1])
    # Elsewhere on the board a finger scrolls the page.
    assert figure.locator(".pjap-board").evaluate("board => getComputedStyle(board).touchAction") == "auto"


def test_it_speaks_once_things_are_quiet(visit):
    figure = figure_on(visit(INDEX), "one-point")
    assert figure.locator("[role=status], [role=alert], [aria-live]").count() == 1
    region = figure.locator("[role=status]")
    figure.page.evaluate(
        """() => { window.spoken = [];
        const region = document.querySelector('.pjap-figure [role=status]');
        new MutationObserver(() => window.spoken.push(region.textContent)).observe(region, {childList: true}); }"""
    )
    policy = handle_of(figure, "Joint policy")
    for _ in range(10):
        policy.press("ArrowLeft")
    figure.page.wait_for_function("window.spoken.length > 0")
    figure.page.wait_for_timeout(800)
    assert len(figure.page.evaluate("window.spoken")) == 1
    inner = expected(sign_agreement(), (0, 0.4), STARTS[INDEX][1])["inner"][0]
    assert region.text_content() == f"This step lowers the reward. Inner product {rounded(inner)}."


def test_it_does_not_tell_the_answer_before_the_reader_has_predicted(visit):
    figure = figure_on(visit(CHAPTER), "one-point")
    handle_of(figure, "Joint policy").press("ArrowLeft")
    figure.page.wait_for_timeout(800)  # words are said with a delay
    assert figure.locator("[role=status]").text_content() == ""
    figure.locator("[data-choice=wrong]").click()
    handle_of(figure, "Joint policy").press("ArrowLeft")
    figure.locator("[role=status]").filter(has_text="Inner product").wait_for(state="attached")


def test_reset_restores_the_whole_state(visit):
    figure = figure_on(visit(address(INDEX, (-0.25, 0.75), (0.1, -0.2), "own")), "one-point")
    figure.get_by_role("button", name="Reset").click()
    next_frame(figure.page)
    assert figure.get_by_label("Game").input_value() == "sign-agreement"
    # That of the page, not that of the link.
    assert_shows(figure, sign_agreement(), *STARTS[INDEX])
    figure.get_by_label("Game").select_option("own")
    assert figure.get_by_label("R(x, y) =").input_value() != OWN


@pytest.mark.parametrize("game", GAMES)
def test_it_restores_a_state_from_the_address(visit, game):
    page = visit(address(INDEX, (-0.25, 0.75), (0.1, -0.2), game))
    figure = figure_on(page, "one-point")
    assert_shows(figure, GAMES[game], (-0.25, 0.75), (0.1, -0.2))
    # And when the reader follows another link on the open page, with the Python unfolded.
    figure.get_by_text("The same in Python").click()
    page.evaluate("fragment => location.hash = fragment", "#" + address("", (0.6, 0.1), (-0.9, 0.3)).split("#")[1])
    next_frame(page)
    assert_shows(figure, sign_agreement(), (0.6, 0.1), (-0.9, 0.3))
    assert "[0.6, 0.1]" in figure.locator("details code").text_content()


def test_it_survives_a_state_that_it_cannot_read(visit):
    page = visit(f"{INDEX}#pjap&one-point.policy=2,0")
    figure = figure_on(page, "one-point")
    assert_shows(figure, sign_agreement(), *STARTS[INDEX])
    for broken in ("policy=a,b", "policy=", "recorded=0.1", "game=chess", "game=toString", "reward=xz"):
        page.evaluate("broken => location.hash = '#pjap&one-point.' + broken", broken)
        next_frame(page)
        assert_shows(figure, sign_agreement(), *STARTS[INDEX])


def test_its_state_leaves_sections_and_other_figures_alone(visit):
    page = visit(f"{INDEX}#pjap&one-point.policy=0.1,0.2&elsewhere.steepness=4")
    figure = figure_on(page, "one-point")
    policy = handle_of(figure, "Joint policy")
    policy.press("ArrowRight")
    state = url_state(page, "one-point")
    assert state == {"game": "sign-agreement", "policy": "0.15,0.2", "recorded": "0.3,-0.7"}
    assert url_state(page, "elsewhere") == {"steepness": "4"}

    page.evaluate("location.hash = '#fig-index'")
    next_frame(page)
    assert page.evaluate("location.hash") == "#fig-index"
    assert page.evaluate("Math.abs(document.getElementById('fig-index').getBoundingClientRect().top) < innerHeight")
    assert_shows(figure, sign_agreement(), (0.15, 0.2), STARTS[INDEX][1])

    page.reload()
    assert_shows(figure_on(page, "one-point"), sign_agreement(), *STARTS[INDEX])


def test_a_copied_link_gives_the_same_state(visit):
    figure = figure_on(visit(INDEX), "one-point")
    drag(figure, handle_of(figure, "Data point"), (-0.35, 0.6))
    link = copied(figure, "Copy link")
    again = figure_on(visit(link.split("/", 3)[3]), "one-point")
    for label in ("Joint policy", "Data point"):
        assert place(handle_of(again, label)) == place(handle_of(figure, label))


@pytest.mark.parametrize("game", GAMES)
def test_its_copied_python_gives_the_same_numbers(visit, game):
    page = visit(address(INDEX, (0.5, 0.4), (0.3, -0.7), game))
    figure = figure_on(page, "one-point")
    handle_of(figure, "Joint policy").press("ArrowLeft")
    next_frame(page)
    code = copied(figure, "Copy as Python")
    assert figure.locator("details code").text_content() == code
    printed = run_python(code)
    names = {
        "BRUD": "brud",
        "true gradient": "gradient",
        "inner product": "inner",
        "reward": "reward",
        f"reward after {STEPS} steps": "end-reward",
    }
    assert set(printed) == set(names)
    for line, name in names.items():
        assert numbers(figure, name) == pytest.approx(printed[line], rel=1e-9, abs=1e-12), line


@pytest.mark.parametrize(("choice", "right"), [("optimum", False), ("stays", False), ("wrong", True)])
def test_in_the_chapter_the_reader_predicts_first(visit, choice, right):
    figure = figure_on(visit(CHAPTER), "one-point")
    answers = figure.locator(
        "[data-value=inner], [data-value=brud], [data-value=true], [data-value=trail], .pjap-arrow"
    )
    assert answers.count() > 4
    assert not any(answer.is_visible() for answer in answers.all())
    figure.locator(f"[data-choice={choice}]").click()
    assert all(answer.is_visible() for answer in answers.all())
    verdict = figure.locator(".pjap-verdict")
    reward, end = (expected(sign_agreement(), *STARTS[CHAPTER])[name][0] for name in ("reward", "end-reward"))
    assert f"from {rounded(reward)} to {rounded(end)}" in verdict.text_content()
    assert ("You were right" in verdict.text_content()) == right
    assert verdict.evaluate("verdict => verdict === document.activeElement")
    assert figure.locator("[data-choice]").count() == 0


@pytest.mark.parametrize(
    ("policy", "recorded", "choice"),
    [((0.5, 0.5), (0.6, 0.4), "optimum"), ((0.5, 0.5), (0, 0), "stays"), ((0.5, 0.5), (0.6, -0.4), "wrong")],
)
def test_each_prediction_can_be_right(visit, policy, recorded, choice):
    figure = figure_on(visit(address(CHAPTER, policy, recorded)), "one-point")
    figure.locator(f"[data-choice={choice}]").click()
    assert figure.locator(".pjap-verdict").text_content().startswith("You were right.")


PARSE = """async texts => {
    const { parseGame } = await import('/_static/figures/games.js');
    const read = text => { try { return parseGame(text).coefficients } catch (error) { return error.message } };
    return texts.map(read);
}"""


def test_the_named_games_are_the_packages(visit):
    page = visit(INDEX)
    games = page.evaluate("import('/_static/figures/games.js').then(module => module.GAMES)")
    assert {name: game["coefficients"] for name, game in games.items()} == {
        name: GAMES[name].coefficients.tolist() for name in ("sign-agreement", "twin-peaks")
    }


def test_it_reads_what_the_package_writes(visit):
    generator = np.random.default_rng(0)
    games = []
    for _ in range(200):
        shape = generator.integers(1, 6, size=2)
        coefficients = generator.integers(-9, 10, size=shape) / generator.choice([1, 2, 4])
        games.append(PolynomialGame(coefficients * (generator.random(shape) < 0.6)))
    texts = [str(game).removeprefix("R(x, y) = ") for game in games]
    for game, text, coefficients in zip(games, texts, visit(INDEX).evaluate(PARSE, texts), strict=True):
        read = np.zeros(game.coefficients.shape)
        read[: len(coefficients), : len(coefficients[0])] = coefficients
        assert np.array_equal(read, game.coefficients), text


def test_it_reads_other_spellings_and_says_how_to_mend_what_it_cannot_read(visit):
    readable = {
        "xy": [[0, 0], [0, 1]],
        "-x + 2": [[2], [-1]],
        "2 * x * y^2 \N{MINUS SIGN} .5": [[-0.5, 0, 0], [0, 0, 2]],
        "x x y + yx^2": [[0, 0], [0, 0], [0, 2]],
        "3": [[3]],
        "x^0": [[1]],
    }
    unreadable = {
        "": "A term is missing",
        "xy -": "Cannot read “-”",
        "xy - 2z": "Cannot read “z”",
        "x^-1": "Cannot read “^-1”",
        "x^1.5": "Cannot read “.5”",
        "1e5": "Cannot read “e5”",
        "(x + y)": "Cannot read “(x + y)”",
        "*x": "Cannot read “*x”",
        "x 2": "Cannot read “2”",
        "x^7": "power 7 is too high",
        "x^3 x^4": "power 7 is too high",
        "1000xy": "coefficient 1000 is too large",
    }
    answers = visit(INDEX).evaluate(PARSE, [*readable, *unreadable])
    assert dict(zip(readable, answers, strict=False)) == readable
    for (text, message), answer in zip(unreadable.items(), answers[len(readable) :], strict=True):
        assert isinstance(answer, str), f"{text!r} was read as {answer}"
        assert message in answer
        assert "Write terms" in answer or "Use " in answer


def test_a_game_that_cannot_be_read_is_named_beside_the_field_and_the_last_one_stays(visit):
    figure = figure_on(visit(INDEX), "one-point")
    figure.get_by_label("Game").select_option("own")
    field = figure.get_by_label("R(x, y) =")
    field.fill("xy - x^2")
    next_frame(figure.page)
    game = PolynomialGame([[0, 0], [0, 1], [-1, 0]])
    assert_shows(figure, game, *STARTS[INDEX])
    field.fill("xy - x^2 + w")
    next_frame(figure.page)
    error = figure.locator(".pjap-error")
    assert "Cannot read “+ w”" in error.text_content()
    assert field.get_attribute("aria-invalid") == "true"
    assert field.get_attribute("aria-describedby") == error.get_attribute("id")
    assert_shows(figure, game, *STARTS[INDEX])


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1440])
@pytest.mark.parametrize("page_name", STARTS)
def test_axe_finds_nothing_and_nothing_scrolls_sideways(visit, page_name, width, theme):
    page = visit(page_name, width=width, theme=theme, reduced_motion="reduce")
    figure = figure_on(page, "one-point")
    if figure.locator("[data-choice]").count():
        figure.locator("[data-choice=wrong]").click()
    figure.get_by_text("The same in Python").click()
    figure.get_by_label("Game").select_option("own")
    figure.get_by_label("R(x, y) =").fill("5xy - x^2 - y^2 - 4x^2y^2 + oops")
    next_frame(page)
    assert figure.locator(".pjap-error").is_visible()
    if width == 360:  # where most overflows
        assert axe_violations(page, ".pjap-figure") == []
    assert sideways_scroll(page) <= 0
    assert page.evaluate("document.documentElement.dataset.theme") == theme


def test_with_reduced_motion_nothing_is_animated(visit):
    figure = figure_on(visit(INDEX, reduced_motion="reduce"), "one-point")
    drag(figure, handle_of(figure, "Joint policy"), (0.1, 0.1))
    assert figure.evaluate("figure => figure.getAnimations({subtree: true}).length") == 0


def test_a_frame_of_a_drag_is_short(visit):
    page = visit(address(INDEX, (-0.5, 0.5), (0.6, 0.6), "twin-peaks"))
    figure = figure_on(page, "one-point")
    circle = [(0.7 * np.cos(turn), 0.7 * np.sin(turn)) for turn in np.linspace(2.4, 8.4, 90)]
    work = work_per_frame(figure, handle_of(figure, "Joint policy"), circle)
    print(f"one data point: {work:.1f} ms of work in a frame")
    assert work < FRAME_LIMIT
