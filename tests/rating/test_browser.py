"""The page in a real browser: every question and medium, with keys, clicks and taps, on a desktop and on a phone."""

import time
from pathlib import Path

import pytest

from genwright.rating.records import ANSWERS
from genwright.rating.store import Store
from genwright.storage import read_json
from tests.rating.conftest import DESKTOP, PHONE, Server, start

MINIMUM = 0.1  # seconds
KEYS = {
    "pair": {"left": "ArrowLeft", "right": "ArrowRight", "tie": "t"},
    "origin": {"real": "r", "generated": "g"},
    "scale": {digit: digit for digit in "1234567"},
}
RATIO = """() => {
  const parse = (color) => color.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
    .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const ratio = (a, b) => (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  const behind = (node) => {
    for (let at = node; at; at = at.parentElement) {
      const color = parse(getComputedStyle(at).backgroundColor);
      if (color.length < 4 || color[3] > 0) return color;
    }
    return [255, 255, 255];
  };
  const shown = [...document.querySelectorAll("body *")].filter((node) => node.checkVisibility());
  const texts = shown.filter((node) => [...node.childNodes].some((c) => c.nodeType === 3 && c.textContent.trim()));
  const edges = shown.filter((node) => node.matches("button:not(.plain), progress"));
  const drawn = (node) => getComputedStyle(node)[node.matches("progress") ? "outlineColor" : "borderTopColor"];
  return {
    texts: texts.map((n) => [n.textContent.trim(), ratio(light(parse(getComputedStyle(n).color)), light(behind(n)))]),
    edges: edges.map((n) => [n.id || n.textContent, ratio(light(parse(drawn(n))), light(behind(n.parentElement)))]),
  };
}"""
SMALL = """() => [...document.querySelectorAll("button, input, .switch")].filter((node) => node.checkVisibility())
  .map((node) => [node.textContent, (node.matches("input") ? node.closest("label") : node).getBoundingClientRect()])
  .filter(([, box]) => box.width < 44 || box.height < 44).map(([text, box]) => [text, box.width, box.height])"""


class Study:
    """A study being served, whose raters the tests share out among themselves."""

    def __init__(self, folder: Path, *arguments: object) -> None:
        self.folder = folder
        self.server: Server = start(*arguments, "--out", folder, "--minimum", MINIMUM)
        self.free = list(self.server.links)

    def link(self, first: str = "") -> str:
        """The link of a rater who has not begun, and whose first question is of the kind `first`, if one is named."""
        store = self._store()
        begins = {link: store.current(store.rater(link.split("#")[1])).kind for link in self.free}
        store.close()
        fitting = [link for link in self.free if begins[link] == first]
        others = [link for link in self.free if begins[link] != "origin"]  # those that begin with it are asked for
        found = (fitting if first else others or self.free)[0]
        self.free.remove(found)
        return found

    def _store(self) -> Store:
        return Store(self.folder / "study.sqlite", study=read_json(self.folder / "protocol.json")["study"])

    def answers(self, link: str) -> dict[str, str]:
        """Each trial of the rater of `link` that has an answer, in order."""
        store = self._store()
        rater = store.rater(link.split("#")[1])
        study = store.study()
        store.close()
        answers = {rating.trial: rating.answer for rating in study.ratings}
        return {trial.id: answers[trial.id] for trial in study.trials if trial.rater == rater and trial.id in answers}


@pytest.fixture(scope="module")
def studies(tmp_path_factory, systems):
    """Studies by name, each set up when it is first asked for."""
    of = {
        "images": ["-images", "--questions", "all", "--trials", "8", "--raters", "8", "--exposure", "300"],
        "sounds": ["-sounds", "--questions", "preference,emotional", "--trials", "4", "--raters", "2"],
        "texts": [".jsonl", "--questions", "preference,coherence", "--trials", "4", "--raters", "2"],
        "rows": [".csv", "--trials", "4", "--raters", "3"],
    }
    made: dict[str, Study] = {}

    def get(name: str) -> Study:
        if name not in made:
            suffix, *more = of[name]
            named = [systems / f"{system}{suffix}" for system in ("alpha", "omega", "truth")]
            folder = tmp_path_factory.mktemp(name) / "study"
            made[name] = Study(folder, *named[:2], "--real", named[2], *more)
        return made[name]

    yield get
    for study in made.values():
        study.server.kill()
        study.server.process.communicate()


@pytest.fixture
def opened(chromium):
    """Opens pages that must not complain, and closes them."""
    contexts, complaints = [], []

    def begin(link: str, **options):
        context = chromium.new_context(**options)
        contexts.append(context)
        context.set_default_timeout(8000)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(link)
        page.complaints = complaints
        return page

    yield begin
    for context in contexts:
        context.close()
    assert not complaints


def until(page, true: str, given: object = None) -> None:
    """Wait until the JavaScript function `true` is true; looked at in every frame, as Playwright itself looks less."""
    page.evaluate(
        f"""(given) => new Promise((resolve, reject) => {{
          const end = performance.now() + 10000;
          const look = () => ({true})(given) ? resolve() : performance.now() > end ? reject("waited in vain")
            : requestAnimationFrame(look);
          look();
        }})""",
        given,
    )


def ready(page, before: str = "") -> str:
    """Wait for the next question, which counts otherwise than `before`; its kind, or "end"."""
    until(
        page,
        """(before) => document.querySelector("#count").textContent !== before && document.querySelector(
          "#end:not([hidden]), #question[aria-busy=false]:not([hidden]) #answers button")""",
        before,
    )
    return "end" if page.is_visible("#end") else page.get_attribute("#answers", "class")


def count(page) -> str:
    return page.inner_text("#count")


def answerable(page) -> None:
    until(page, '() => document.querySelector("#answers button:not(:disabled)")')


def hidden(page) -> None:
    """Wait until a timed picture was shown and is masked."""
    until(page, '() => document.querySelector("#stimuli canvas") && document.querySelector("#stimuli").dataset.exposed')


def past(page, before: str) -> None:
    ready(page, before)


def course(page, give, most: int = 100) -> list[str]:
    """Answer to the end, or at most so many; `give(kind, number)` does it and returns the answer."""
    given: list[str] = []
    while len(given) < most and (kind := ready(page)) != "end":
        before = count(page)
        given.append(give(kind, len(given)))
        past(page, before)
    return given


@pytest.mark.slow
def test_a_whole_study_with_keys_on_a_desktop(studies, opened):
    study = studies("images")
    link = study.link()
    page = opened(link, **DESKTOP)
    page.wait_for_selector("#agree")
    page.focus("#agree")
    page.keyboard.press("Enter")
    exposed, prompts = [], set()

    def give(kind: str, number: int) -> str:
        prompts.add(page.inner_text("#prompt"))
        if page.locator("#show").count():
            page.keyboard.press("Space")
            until(page, '() => document.querySelector("#stimuli img")')
            hidden(page)
            assert page.locator("#stimuli img").count() == 0
            exposed.append(float(page.get_attribute("#stimuli", "data-exposed")))
        answer = ANSWERS[kind][number % len(ANSWERS[kind])]
        page.keyboard.press("x")  # means nothing
        answerable(page)
        page.keyboard.press(KEYS[kind][answer])
        return answer

    given = course(page, give)
    assert list(study.answers(link).values()) == given and len(given) == 19
    assert len(prompts) == 8
    assert len(exposed) == 2 and all(280 <= each <= 420 for each in exposed), exposed


def test_answers_before_the_least_time_are_not_taken(studies, opened):
    study = studies("images")
    link = study.link()
    page = opened(link, **DESKTOP)
    page.click("#agree")
    kind = ready(page)
    if page.locator("#show").count():
        page.click("#show")
    page.evaluate("window.began = performance.now()")
    key = KEYS[kind][ANSWERS[kind][0]]
    before = count(page)
    page.keyboard.press(key)
    assert "Answers are taken after" in page.inner_text("#status")
    while count(page) == before:
        page.keyboard.press(key)
    (trial,) = study.answers(link)
    store = Store(study.folder / "study.sqlite", study=read_json(study.folder / "protocol.json")["study"])
    (rating,) = [each for each in store.study().ratings if each.trial == trial]
    store.close()
    assert rating.seconds >= MINIMUM


def test_clicks_on_a_phone_and_everything_is_large_enough_and_fits(studies, opened):
    study = studies("images")
    link = study.link()
    page = opened(link, **PHONE, color_scheme="dark")
    page.tap("#agree")

    def give(kind: str, number: int) -> str:
        if page.locator("#show").count():
            page.tap("#show")
            hidden(page)
        answerable(page)
        assert page.evaluate(SMALL) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        if number % 2 == 0:  # the narrowest window that must do without scrolling sideways (WCAG 1.4.10)
            page.set_viewport_size({"width": 320, "height": 640})
            assert page.evaluate("document.documentElement.scrollWidth") <= 320
            page.set_viewport_size(PHONE["viewport"])
        answer = ANSWERS[kind][-1 - number % 2]
        page.tap(f"#answers button[value='{answer}']")
        return answer

    assert course(page, give, 5) == list(study.answers(link).values())


@pytest.mark.parametrize("options", [DESKTOP, pytest.param(PHONE, marks=pytest.mark.slow)], ids=["desktop", "phone"])
def test_sounds_play_in_step_and_must_be_heard_first(studies, opened, options):
    study = studies("sounds")
    link = study.link()
    page = opened(link, **options)
    page.click("#agree")

    def give(kind: str, number: int) -> str:
        players = page.locator(".player button")
        if players.count() and page.locator(".heard", has_text="not heard yet").count():
            assert page.locator("#answers button:disabled").count() == len(ANSWERS[kind])
            page.keyboard.press("a")
            assert players.nth(0).get_attribute("aria-pressed") == "true"
            if players.count() > 1:
                page.keyboard.press("b")
                assert players.nth(1).get_attribute("aria-pressed") == "true"
                assert players.nth(0).get_attribute("aria-pressed") == "false"
        answerable(page)
        page.locator("#answers button").first.click()
        return ANSWERS[kind][0]

    assert course(page, give, 4) == list(study.answers(link).values())


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("texts", PHONE),
        ("rows", DESKTOP),
        pytest.param("texts", DESKTOP, marks=pytest.mark.slow),
        pytest.param("rows", PHONE, marks=pytest.mark.slow),
    ],
)
def test_texts_and_rows_on_both_sizes(studies, opened, name, options):
    study = studies(name)
    link = study.link()
    page = opened(link, **options)
    page.click("#agree")

    def give(kind: str, number: int) -> str:
        answerable(page)
        shown = page.locator(".text, .rows").all_inner_texts()
        assert all(len(text) > 15 for text in shown)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        page.keyboard.press(KEYS[kind][ANSWERS[kind][1]])
        return ANSWERS[kind][1]

    assert course(page, give, 4) == list(study.answers(link).values())


def test_a_study_goes_on_where_it_was_and_a_timed_picture_is_not_shown_again(studies, opened):
    link = studies("images").link(first="origin")
    page = opened(link, **DESKTOP)
    page.click("#agree")
    while ready(page) != "origin" or not page.locator("#show").count():
        before = count(page)  # a check comes first
        answerable(page)
        page.locator("#answers button").first.click()
        past(page, before)
    before = count(page)
    page.click("#show")
    hidden(page)
    page.reload()
    page.wait_for_selector("text=from memory")
    assert count(page) == before and not page.locator("img").count()
    again = opened(link, **PHONE)  # on another device
    again.wait_for_selector("text=from memory")
    assert count(again) == before
    answerable(again)
    again.locator("#answers button").first.click()
    past(again, before)


def test_long_texts_are_scrolled_by_arrows_and_an_answer_can_be_undone(studies, opened):
    study = studies("texts")
    link = study.link()
    page = opened(link, viewport={"width": 360, "height": 260})
    page.context.set_offline(True)
    page.click("#agree")
    page.wait_for_selector("text=The connection is lost")
    page.context.set_offline(False)
    page.complaints[:] = [each for each in page.complaints if "ERR_INTERNET_DISCONNECTED" not in each]
    while ready(page) != "pair" or page.locator(".check").count():
        before = count(page)
        answerable(page)
        page.keyboard.press(KEYS["pair"]["left"])
        past(page, before)
    assert not page.is_visible("#connection")
    answerable(page)
    before, known = count(page), study.answers(link)
    assert page.locator(".more").count() == 2
    for key in ("ArrowDown", "PageDown", "ArrowDown"):
        page.keyboard.press(key)
    until(page, "() => document.querySelector('.text').scrollTop > 0 && !document.querySelector('.more')")
    assert count(page) == before and study.answers(link) == known
    page.keyboard.press("t")
    past(page, before)
    assert list(study.answers(link).values())[-1] == "tie"
    after = count(page)
    page.click("#undo")
    past(page, after)
    assert count(page) == before and study.answers(link) == known and not page.is_visible("#undo")
    answerable(page)
    page.keyboard.press(KEYS["pair"]["right"])
    past(page, before)
    after = count(page)
    page.keyboard.press("Backspace")
    past(page, after)
    assert study.answers(link) == known


def test_withdrawal_asks_first_and_then_deletes(studies, opened):
    study = studies("images")
    link = study.link()
    page = opened(link, **DESKTOP)
    page.click("#agree")
    ready(page)
    if page.locator("#show").count():
        page.keyboard.press("Space")
    answerable(page)
    before = count(page)
    page.locator("#answers button").first.click()
    past(page, before)
    assert len(study.answers(link)) == 1
    page.click("#leave")
    page.keyboard.press("1")  # keys answer nothing while the question is open
    page.click("text=Keep them and go on")
    assert len(study.answers(link)) == 1
    page.click("#leave")
    page.click("text=Delete and withdraw")
    page.wait_for_selector("text=You have withdrawn")
    assert study.answers(link) == {}
    page.reload()
    page.wait_for_selector("text=This link is not valid")
    page.complaints[:] = [each for each in page.complaints if "401" not in each]


def test_shortcuts_can_be_turned_off_and_focus_is_seen(studies, opened):
    study = studies("images")
    page = opened(study.link(), **DESKTOP)
    page.click("#agree")
    kind = ready(page)
    if page.locator("#show").count():
        page.click("#show")
    answerable(page)
    page.uncheck("#shortcuts")
    before = count(page)
    page.locator("#prompt").focus()
    page.keyboard.press(KEYS[kind][ANSWERS[kind][0]])
    time.sleep(0.1)
    assert count(page) == before
    page.keyboard.press("Tab")
    focused = page.evaluate("getComputedStyle(document.activeElement).outlineStyle + document.activeElement.tagName")
    assert focused.startswith("solid")
    for _ in range(3):
        if page.evaluate("document.activeElement.matches('#answers button')"):
            break
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")  # a focused answer is pressed as any button is
    past(page, before)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast_labels_and_language(studies, opened, scheme):
    study = studies("images")
    link = study.server.links[0]
    page = opened(link, **DESKTOP, color_scheme=scheme, reduced_motion="reduce")
    page.wait_for_selector("main > section:not([hidden]) h1")
    page.evaluate(
        "for (const node of document.querySelectorAll('main > section, footer, #progress')) node.hidden = false"
    )
    page.evaluate("document.getElementById('leaving').showModal()")
    found = page.evaluate(RATIO)
    assert len(found["texts"]) > 10
    assert [each for each in found["texts"] if each[1] < 4.5] == []
    assert [each for each in found["edges"] if each[1] < 3] == []
    assert page.get_attribute("html", "lang") == "en" and page.title()
    assert page.evaluate("[...document.querySelectorAll('img')].every((image) => image.alt)")
    assert page.get_attribute("#count", "aria-live") == "polite"


def test_a_link_without_an_invite_says_so(studies, opened):
    page = opened(studies("images").server.links[0].split("#")[0], **PHONE)
    page.wait_for_selector("text=An invite is needed")
    said = page.inner_text("body")
    assert "Open this page through the link you were given." in said
    assert not page.is_visible("#agree") and "Question" not in said


@pytest.mark.slow
def test_an_answer_given_while_the_server_is_down_arrives_when_it_is_back(studies, opened):
    study = studies("rows")
    link = study.link()
    page = opened(link, **DESKTOP)
    page.click("#agree")
    kind = ready(page)
    answerable(page)
    before, known = count(page), len(study.answers(link))
    study.server.kill()
    page.keyboard.press(KEYS[kind][ANSWERS[kind][0]])
    page.wait_for_selector("text=The connection is lost")
    study.server = start("--out", study.folder, "--port", study.server.host.split(":")[1])
    past(page, before)
    assert len(study.answers(link)) == known + 1
    page.complaints[:] = [each for each in page.complaints if "ERR_CONNECTION_REFUSED" not in each]
