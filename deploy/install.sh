#!/bin/sh
# Install the checkout into .venv, as `make run` does: deploy/install.sh EXTRA [TORCH]
# TORCH names a build of PyTorch: cpu, cu130, ... Without it, Linux without NVIDIA's driver
# gets the build for processors, and pip chooses otherwise.
set -eu
extra=$1
torch=${2:-}
python=.venv/bin/python
index=https://download.pytorch.org/whl
numba=$(sed -n 's/.*"\(numba>=[^"]*\)".*/\1/p' pyproject.toml | head -n 1)

pip() {
    # At a terminal pip shows how far it is. Elsewhere a line a minute says that it goes on.
    if [ -t 1 ]; then
        "$python" -m pip install --disable-pip-version-check "$@"
    else
        "$python" -m pip install --disable-pip-version-check --quiet "$@"
    fi
}

# End with one sentence. pip's own last words name a conflict of versions if it found no
# versions at all, so the cause is looked for with one more request, which fails soon.
give_up() {
    cause="pip's messages above say why"
    aside=$(mktemp -d)
    "$python" -m pip download --disable-pip-version-check --no-deps --no-cache-dir \
        --retries 1 --timeout 10 --dest "$aside" "$numba" >"$aside/words" 2>&1 || true
    if grep -qiE 'connection|proxy|resolve|timed out|unreachable' "$aside/words"; then
        cause="pip's package index cannot be reached (behind a proxy, set HTTPS_PROXY)"
    fi
    rm -rf "$aside"
    echo "$1 cannot be installed: $cause" >&2
    exit 2
}

# `sleep` outlives the loop by up to 50 s, so it holds none of our output: whoever reads
# that, such as `tee`, would wait for its end.
while sleep 50 >/dev/null 2>&1; do echo "  still installing into .venv"; done &
heartbeat=$!
trap 'kill "$heartbeat" 2>/dev/null' EXIT

# The drawing loops need numba alone, so they are compiled while PyTorch is downloaded. `up`
# waits for those that are not done, and compiles what failed here.
echo "  1 of 3: numba, which compiles the drawing loops"
pip "$numba" || give_up numba
nice -n 10 "$python" -m model_core.compiled.ahead >.venv/ahead.log 2>&1 &

# PyTorch comes from one index alone: beside another one the newest version would win,
# whatever it was built for.
echo "  2 of 3: PyTorch, while the loops are compiled"
case $torch in
cu13*)
    # Builds for CUDA 13 need this package, which PyTorch's index lacked in January 2026
    # (pytorch/pytorch#172926): it comes from pip's usual index.
    pip 'cuda-bindings>=13.0.3,<14' || give_up cuda-bindings
    ;;
esac
if [ -n "$torch" ]; then
    pip --index-url "$index/$torch" torch || {
        echo "PyTorch's build '$torch' cannot be had: no connection to its index, or no such build there" >&2
        exit 2
    }
elif [ "$(uname)" = Linux ] && ! command -v nvidia-smi >/dev/null; then
    pip --retries 1 --timeout 15 --index-url "$index/cpu" torch 2>/dev/null ||
        echo "PyTorch's index cannot be reached: pip chooses the build, which may be the larger one with CUDA"
fi
echo "  3 of 3: the other packages"
pip --editable ".[$extra]" || give_up "one of the packages"
