"""Takes the pictures of the README: a mail in English and one in Chinese, on a phone and wide, light and dark.

Run: .venv/bin/python tools/screenshots.py [--folder .demo]   (make screenshots makes the demo first)
"""

from __future__ import annotations

import argparse
import sys
from io import BytesIO
from pathlib import Path

from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tools.browser import Browser

IMAGES = Path(__file__).resolve().parents[1] / "docs" / "images"
TITLES = {"en": "Customer tiers", "zh": "客户分级"}
HEIGHTS = {360: 780, 1200: 960}
"""How much of a mail is shown in a window of which width; the card is 640 pixels wide, so a wide picture is cropped."""
MARGIN = 24
COLOURS = 128
SCALE = 2  # pages shrink pictures; so they stay sharp


def newest_mail(folder: Path, language: str) -> Path:
    """Return the account manager's page in one language of the latest day with most in it."""
    begin = f"<title>{TITLES[language]} 2"  # the day follows; a team's, a controller's and a whole company's say more
    pages = [
        page
        for page in folder.glob("????-??-??-*.html")
        if "-fallback-" not in page.name and begin in page.read_text(encoding="utf-8")
    ]
    if not pages:
        raise SystemExit(
            f"screenshots: {folder} holds no account manager's mail in {language}; run make demo, and name its folder"
        )
    latest = max(page.name[:10] for page in pages)
    of_the_day = [page for page in pages if page.name.startswith(latest)]
    return max(of_the_day, key=lambda page: (page.stat().st_size, page.name))


def small(shot: bytes, width: int) -> bytes:
    """Return a screenshot without the empty sides of a wide window, with a palette."""
    image = Image.open(BytesIO(shot)).convert("RGB")
    if width > 640:
        side = (image.width - image.width * (640 + 2 * MARGIN) // width) // 2
        image = image.crop((side, 0, image.width - side, image.height))
    content = BytesIO()
    image.quantize(COLOURS, dither=Image.Dither.NONE).save(content, "PNG", optimize=True)
    return content.getvalue()


def main() -> None:
    """Write docs/images/mail-<language>-<width>-<scheme>.png and say from which mails."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--folder", type=Path, default=Path(".demo"), help="folder of a demo (default: .demo)")
    folder = parser.parse_args().folder / "mail"
    with Browser() as browser:
        for language in TITLES:
            page = newest_mail(folder, language)
            for width, height in HEIGHTS.items():
                for scheme in ("light", "dark"):
                    browser.open(page, width, scheme, height=height, scale=SCALE)
                    target = IMAGES / f"mail-{language}-{width}-{scheme}.png"
                    target.write_bytes(small(browser.screenshot(height), width))
                    print(f"screenshots: {target.name} from {page.name}, {target.stat().st_size // 1024} kB")


if __name__ == "__main__":
    main()
