"""report.html of a conversion with a planted fault, read by eye and by keyboard, wide and narrow."""

import shutil

import crossload
import plant
import pytest
import subjects
from test_faults import scale

STAGE = "encoder.layer.0.attention.self"
# Every text node that is drawn: its text, and the size and width that it has.
TEXTS = """[...document.querySelectorAll('main *')].filter(e => e.checkVisibility() && [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()))
  .map(e => ({text: e.textContent, size: parseFloat(getComputedStyle(e).fontSize) * (e.ownerSVGElement ? e.ownerSVGElement.getBoundingClientRect().width / e.ownerSVGElement.width.baseVal.value : 1),
              color: getComputedStyle(e).color}))"""


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    base = tmp_path_factory.mktemp("page")
    model = subjects.build("bert", base / "model")
    folder = crossload.convert(model, base / "out", verify=False).out
    with plant.Graph(folder) as graph:
        scale(STAGE)(graph)
    report = crossload.verify(model, folder, gradients=True)
    assert report.verdict == "mismatch" and [p.module or p.output for p in report.pictures][1] == STAGE
    return folder


@pytest.fixture(scope="module")
def right(tmp_path_factory):
    base = tmp_path_factory.mktemp("right")
    return crossload.convert(subjects.build("bert", base / "model"), base / "out").out


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [1100, 420])
def test_it_opens_without_errors_and_fetches_nothing(browser, out, width, dark):
    browser.open(out / "report.html", width, dark=dark)
    assert browser.told == []
    assert browser.asked == [(out / "report.html").resolve().as_uri()]
    assert browser.run("document.documentElement.scrollWidth") <= width
    texts = browser.run(TEXTS)
    assert len(texts) > 100 and min(t["size"] for t in texts) >= 11
    background = browser.run("getComputedStyle(document.body).backgroundColor")
    brightness = [sum(map(int, text[4:-1].split(", "))) for text in (background, texts[0]["color"])]
    assert (brightness[0] < 150 < 550 < brightness[1]) if dark else (brightness[1] < 150 < 550 < brightness[0])


def test_its_story(browser, out):
    browser.open(out / "report.html", 1100)
    titles = browser.run("[...document.querySelectorAll('h2')].map(e => e.textContent)")
    assert titles[:4] == ["Where the error comes from", "Diagnosis", titles[2], f"Stage {STAGE}"]
    assert titles[2].startswith("Output ") and {"Shapes", "Outputs", "Stages", "Gradients"} < set(titles)
    text = browser.run("document.querySelector('main').innerText")
    assert "aten.scaled_dot_product_attention.default" in text and "attention-scale" in text
    command = browser.run("document.querySelector('.command').textContent")
    model = out.parent / "model"
    assert command == f"crossload verify {model} {out.resolve()} --reproduce {STAGE} stage"
    # Two charts for each picture: points on both sides of the line, cells of which the worst is chosen.
    assert browser.run("document.querySelectorAll('.charts svg').length") == 4
    assert (
        browser.run("document.querySelectorAll('.charts figure:first-child svg')[1].querySelectorAll('circle').length")
        > 100
    )
    cells = browser.run("document.querySelectorAll('.charts svg[tabindex]')[1].querySelectorAll('[data-cell]').length")
    assert cells == 13 * 32


def test_names_break_at_dots(browser, out):
    """A name's parts each stand on one line."""
    browser.open(out / "report.html", 420)
    broken = browser.run("""[...document.querySelectorAll('td.path')].filter(e => e.checkVisibility()).flatMap(e =>
      [...e.childNodes].filter(n => n.nodeType === 3 && !n.data.includes(' ')).filter(n => {
        const range = document.createRange();
        range.selectNodeContents(n);
        return new Set([...range.getClientRects()].map(r => Math.round(r.top))).size > 1;
      }).map(n => n.data))""")
    assert broken == []
    lines = browser.run("""[...document.querySelectorAll('td.path')].some(e => e.textContent.includes('attention.self') &&
      e.getBoundingClientRect().height > 40)""")
    assert lines  # some name is too long for one line


def test_keyboard(browser, out):
    browser.open(out / "report.html", 1100)
    focused = lambda: browser.run(  # noqa: E731
        "(e => [e.tagName, e.getAttribute('data-key'), e.getAttribute('aria-expanded'), e.textContent.trim()])(document.activeElement)"
    )
    seen = []
    for _ in range(40):
        browser.press("Tab")
        seen.append([*focused()[:2], browser.run("document.activeElement.matches(':focus-visible')")])
        if seen[-1][1] == "stage0":
            break
    assert all(visible for _, _, visible in seen)
    assert [kind for kind, _, _ in seen].count("svg") == 2  # the maps
    assert ["INPUT", None, True] in seen and ["BUTTON", None, True] in seen
    # Closing and opening a module keeps the focus on it.
    rows = "document.querySelectorAll('section:has(input) tbody tr').length"
    before = browser.run(rows)
    assert focused()[1:3] == ["stage0", "true"]
    browser.press("Enter")
    assert focused()[1:3] == ["stage0", "false"] and browser.run(rows) < before
    browser.press(" ")
    assert focused()[1:3] == ["stage0", "true"] and browser.run(rows) == before
    # Arrow keys move over the map and tell what is there.
    browser.run("document.querySelectorAll('.charts svg[tabindex]')[1].focus()")
    told = "document.querySelectorAll('.here')[1].textContent"
    first = browser.run(told)
    assert first.startswith("position ") and "channel" in first
    at_edge = {
        "ArrowDown": "position 12", "ArrowLeft": "channel 0:", "ArrowUp": "position 0", "ArrowRight": "channel 31",
    }  # fmt: skip
    for key, edge in at_edge.items():
        old = browser.run(told)
        browser.press(key)
        assert (browser.run(told) == old) == (edge in old)
    # Sorting by a column's head.
    browser.run("document.querySelector('th.sortable').focus()")
    browser.press(" ")
    assert browser.run("document.querySelector('th.sortable').getAttribute('aria-sort')") == "ascending"


def test_a_verified_report(browser, right):
    for width in (1100, 420):
        browser.open(right / "report.html", width)
        assert browser.told == []
        titles = browser.run("[...document.querySelectorAll('h2')].map(e => e.textContent)")
        assert not {"Where the error comes from", "Diagnosis"} & set(titles) and "Stages" in titles
        assert browser.run("document.documentElement.scrollWidth") <= width


def test_text_of_a_model_is_no_markup(browser, out, tmp_path):
    folder = shutil.copytree(out, tmp_path / "out")
    page = (folder / "report.html").read_text()
    bad = '</b><img src=x onerror=\\"document.title=1\\">'
    changed = page.replace(STAGE + '"', bad.replace("<", "\\u003c") + '"')
    assert changed != page
    (folder / "report.html").write_text(changed)
    browser.open(folder / "report.html", 1100)
    assert browser.told == [] and len(browser.asked) == 1
    assert browser.run("document.images.length") == 0 and browser.run("document.title") != "1"
