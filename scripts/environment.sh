# Sourced by the other scripts: make the development environment, or reuse it.
# PRUNETOOL_VENV names another folder for it; PYTHON another interpreter (3.11 or newer).
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
venv="${PRUNETOOL_VENV:-.venv}"
stamp="$venv/.prunetool-installed"
wanted="$(cat pyproject.toml scripts/constraints.txt | cksum)"

if [ ! -x "$venv/bin/python" ] || [ "$(cat "$stamp" 2>/dev/null)" != "$wanted" ]; then
  echo "Setting up $venv (once; torch alone is some hundred MB) ..." >&2
  "${PYTHON:-python3}" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    echo "error: prunetool needs Python 3.11 or newer; set PYTHON to one" >&2
    exit 2
  }
  rm -f "$stamp"
  "${PYTHON:-python3}" -m venv "$venv" || exit 2
  # torch first, by its exact version: a free range can pull gigabytes of CUDA packages. Python
  # compiles what is imported on its own; pip would compile all of it, for longer than it installs.
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-compile \
    "$(grep '^torch==' scripts/constraints.txt)" || exit 2
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-compile \
    --constraint scripts/constraints.txt --editable '.[dev]' || exit 2
  echo "$wanted" >"$stamp"
fi
PATH="$(cd "$venv/bin" && pwd):$PATH"
export PATH
