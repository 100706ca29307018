#!/bin/sh
# Install the checkout into .venv, as `make run` does: deploy/install.sh EXTRA [PROJECT...]
# PROJECT: other folders to install, in which one can go on editing.
# TORCH names a build of PyTorch: cpu, cu130, ...; `any` is pip's own choice. TORCH_INDEX is
# an index to take PyTorch from. Without both, Linux without NVIDIA's driver gets the build
# for CPUs, and pip chooses otherwise. Exit code 2, and one sentence, if something fails.
set -eu
extra=$1
shift
python=.venv/bin/python
numba=$(sed -n 's/.*"\(numba>=[^"]*\)".*/\1/p' pyproject.toml | head -n 1)

heartbeat=
trap 'stop_heartbeat' EXIT

stop_heartbeat() {
    [ -z "$heartbeat" ] || kill "$heartbeat" 2>/dev/null || true
    heartbeat=
}

# Install by pip: WHAT, in words, and pip's arguments. At a terminal pip shows how far it is;
# elsewhere a line each ten seconds says that it goes on.
pip() {
    what=$1
    shift
    if [ -t 1 ]; then
        "$python" -m pip install --disable-pip-version-check "$@"
        return
    fi
    # `sleep` outlives the loop, so it holds none of our output: whoever reads that, such as
    # `tee`, would wait for its end.
    waited=0
    while sleep 10 >/dev/null 2>&1; do
        waited=$((waited + 10))
        echo "    still installing $what: $waited s"
    done &
    heartbeat=$!
    status=0
    "$python" -m pip install --disable-pip-version-check --quiet "$@" || status=$?
    stop_heartbeat
    return $status
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

# PyTorch comes from one index alone: beside another one the newest version would win,
# whatever it was built for. ARGUMENTS: more of pip's.
torch_from() { # INDEX ARGUMENTS...
    pip "$torch" --index-url "$@" torch
}

# Install the build for CPUs, or end: pip's own choice may be the one with CUDA, which is
# taken only if somebody asks for it.
torch_for_cpus() {
    torch_from https://download.pytorch.org/whl/cpu --retries 1 --timeout 15 2>.venv/torch.log && return
    if "$python" -m pip install --disable-pip-version-check --quiet --dry-run --report - \
        torch 2>/dev/null | grep -q '"name": *"nvidia-'; then
        {
            echo "PyTorch's index cannot be reached, and pip's own has the build with CUDA: 3 GB. pip says:"
            head -n 1 .venv/torch.log
            echo "Call make again with one of these:"
            echo "  TORCH_INDEX=https://...   an index with the build for CPUs, such as a mirror of PyTorch's"
            echo "  TORCH=any                 the build with CUDA"
        } >&2
        exit 2
    fi
    pip "$torch" torch || give_up PyTorch
}

# The drawing loops need numba alone, so they are compiled while PyTorch is downloaded. `up`
# waits for those that are not done, and compiles what failed here.
echo "  1 of 3: numba, which compiles the drawing loops (80 MB)"
pip numba "$numba" || give_up numba
nice -n 10 "$python" -m model_core.compiled.ahead >.venv/ahead.log 2>&1 &

if [ -n "${TORCH_INDEX:-}" ]; then
    build=index torch="PyTorch from $TORCH_INDEX"
elif [ -z "${TORCH:-}" ] && [ "$(uname)" = Linux ] && ! command -v nvidia-smi >/dev/null; then
    build=default torch="PyTorch for CPUs (170 MB)"
elif [ "${TORCH:-any}" = any ]; then
    build=any torch="PyTorch as pip chooses it (3 GB with CUDA)"
else
    build=named torch="PyTorch for $TORCH"
fi
echo "  2 of 3: $torch, while the loops are compiled"
case ${TORCH:-} in
cu13*)
    # Builds for CUDA 13 need this package, which PyTorch's index lacked in January 2026
    # (pytorch/pytorch#172926): it comes from pip's usual index.
    pip cuda-bindings 'cuda-bindings>=13.0.3,<14' || give_up cuda-bindings
    ;;
esac
case $build in
index) torch_from "$TORCH_INDEX" || give_up "$torch" ;;
default) torch_for_cpus ;;
any) pip "$torch" torch || give_up PyTorch ;;
named)
    torch_from "https://download.pytorch.org/whl/$TORCH" || {
        echo "PyTorch's build '$TORCH' cannot be had: no connection to its index, or no such build there" >&2
        exit 2
    }
    ;;
esac
echo "  3 of 3: the other packages (45 MB)"
for project; do set -- "$@" --editable "$project"; shift; done
pip "the other packages" --editable ".[$extra]" "$@" || give_up "one of the packages"

# Last of all, what trainings need: it waits until the drawing loops are done.
nice -n 19 "$python" -m model_core.training.ahead all >>.venv/ahead.log 2>&1 &
