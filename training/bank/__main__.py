"""Checks the files of one module, or of a folder of modules: python -m training.bank FOLDER"""

from __future__ import annotations

import sys
from pathlib import Path

from training.bank import reading


def main(words: list[str]) -> int:
    if len(words) != 1 or not Path(words[0]).is_dir():
        sys.stderr.write("usage: python -m training.bank FOLDER\n")
        return 2
    folder = Path(words[0])
    if (folder / "module.yaml").exists():
        module, problems = reading.read_one(folder)
        modules = [module] if module else []
    else:
        modules, problems = reading.read_all(folder)
    for problem in problems:
        sys.stdout.write(f"{problem}\n")
    for module in modules:
        sys.stdout.write(
            f"{module.slug} {module.version}: {len(module.lessons)} lessons, {len(module.items)} questions, "
            f"{len(module.objectives)} objectives\n"
        )
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
