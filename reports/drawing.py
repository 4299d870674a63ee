"""A drawing of boxes and text as a small PNG: fonts that have the glyphs, colours that can be told apart.

It is drawn by Matplotlib, which loads with the first drawing, without its axes and settings: what is drawn depends on
what is asked for and on the fonts that are installed.
"""

from __future__ import annotations

from functools import cache, lru_cache
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

if TYPE_CHECKING:
    from matplotlib.font_manager import FontProperties

CHINESE_FAMILIES: Final = (
    "Noto Sans CJK SC",
    "Noto Sans SC",
    "Source Han Sans SC",
    "Source Han Sans CN",
    "Microsoft YaHei",
    "PingFang SC",
    "Hiragino Sans GB",
    "WenQuanYi Micro Hei",
    "WenQuanYi Zen Hei",
    "SimHei",
    "Droid Sans Fallback",
    "Arial Unicode MS",
)
WIDTH: Final = 480
SIZE, SMALL = 15, 13.5  # of type: on a phone a drawing is two thirds as wide
INK, PALE, RULE, PAPER = "#1f2933", "#52606d", "#cbd2d9", "#ffffff"

_SCALE: Final = 2
_COLOURS: Final = 48  # of the palette of a file

Families = tuple[str, ...]
Colour = tuple[int, int, int]


class Drawing(NamedTuple):
    """A PNG of twice `width` and `height`, which are in pixels of the page."""

    content: bytes
    width: int
    height: int


@cache
def installed_families() -> Families:
    """The Chinese families that are installed, and the one that Matplotlib brings."""
    from matplotlib.font_manager import fontManager

    installed = {font.name for font in fontManager.ttflist}
    return (*(family for family in CHINESE_FAMILIES if family in installed), "DejaVu Sans")


@cache
def _characters(family: str) -> frozenset[int]:
    from matplotlib.font_manager import FontProperties, findfont, get_font

    return frozenset(get_font(findfont(FontProperties(family=[family]))).get_charmap())


def can_draw(text: str, families: Families) -> bool:
    """Whether every character has a glyph: one without is drawn as a box."""
    return all(any(ord(character) in _characters(family) for family in families) for character in text)


@cache
def _font(families: Families, size: float, is_bold: bool) -> FontProperties:
    from matplotlib.font_manager import FontProperties

    return FontProperties(family=list(families), size=size, weight="bold" if is_bold else "normal")


@lru_cache(maxsize=4096)
def _width_of(text: str, families: Families, size: float, is_bold: bool) -> float:
    from matplotlib.backends.backend_agg import RendererAgg

    renderer: Any = RendererAgg(1, 1, 72 * _SCALE)  # type: ignore[no-untyped-call]
    width, _height, _descent = renderer.get_text_width_height_descent(text, _font(families, size, is_bold), False)
    return float(width) / _SCALE


class Sheet:
    """A white sheet that is drawn on in pixels of the page, from the top left."""

    def __init__(self, height: int, families: Families) -> None:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
        from matplotlib.transforms import Affine2D

        self.height, self.families = height, families
        # A point of type is a pixel of the page: 72 to the inch, drawn at 144.
        self.figure = Figure((WIDTH / 72, height / 72), dpi=72 * _SCALE, facecolor=PAPER)
        self.canvas: Any = FigureCanvasAgg(self.figure)
        self.transform = Affine2D().scale(_SCALE, -_SCALE).translate(0, height * _SCALE)

    def box(self, x: float, y: float, width: float, height: float, colour: str, edge: str = "none") -> None:
        from matplotlib.patches import Rectangle

        self.figure.add_artist(
            Rectangle((x, y), width, height, facecolor=colour, edgecolor=edge, linewidth=1, transform=self.transform)
        )

    def line(self, *points: tuple[float, float]) -> None:
        from matplotlib.lines import Line2D

        xs, ys = zip(*points, strict=True)
        self.figure.add_artist(Line2D(xs, ys, color=PALE, linewidth=0.75, transform=self.transform))

    def text(
        self,
        x: float,
        y: float,
        text: str,
        *,
        size: float = SIZE,
        colour: str = INK,
        side: Literal["left", "center", "right"] = "left",
        is_bold: bool = False,
    ) -> None:
        """A line of text whose middle is at `y`."""
        from matplotlib.text import Text

        self.figure.add_artist(
            Text(x, y, text, color=colour, ha=side, va="center_baseline", parse_math=False, usetex=False,
                 fontproperties=_font(self.families, size, is_bold), transform=self.transform)
        )  # fmt: skip

    def width_of(self, text: str, size: float = SIZE, *, is_bold: bool = False) -> float:
        """How wide a text is, in pixels of the page."""
        return _width_of(text, self.families, size, is_bold)

    def drawing(self) -> Drawing:
        """The sheet as a PNG with a palette and without metadata."""
        from PIL import Image

        self.canvas.draw()
        size = self.canvas.get_width_height()
        image = Image.frombuffer("RGBA", size, self.canvas.buffer_rgba(), "raw", "RGBA", 0, 1).convert("RGB")
        content = BytesIO()
        image.quantize(_COLOURS, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(
            content, "PNG", compress_level=7
        )
        return Drawing(content.getvalue(), WIDTH, self.height)


def hex_of(colour: Colour) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)


def between(start: Colour, end: Colour, part: float) -> Colour:
    red, green, blue = (round(a + (b - a) * part) for a, b in zip(start, end, strict=True))
    return red, green, blue


def ink_on(colour: Colour) -> str:
    """Black or white, whichever stands out: both reach 4.5:1 where they meet."""
    linear = [c / 3294.6 if c <= 10 else ((c / 255 + 0.055) / 1.055) ** 2.4 for c in colour]
    is_dark = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2] < 0.179
    return PAPER if is_dark else "#000000"
