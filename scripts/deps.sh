# scripts/deps.sh - sourced by scripts/test and scripts/quickstart: finds what is missing on a
# Debian or Ubuntu machine, installs it, and configures a build folder.

say() { printf '%s\n' "$*"; }
die() { printf '%s: %s\n' "${0##*/}" "$*" >&2; exit 1; }

have() { command -v "$1" >/dev/null 2>&1; }
have_pc() { have pkg-config && pkg-config --exists "$1"; }
have_py() { # MODULE...: is there a python3 that can import them? Debian's own is asked as well.
    local py
    for py in python3 /usr/bin/python3; do
        have "$py" && "$py" - "$@" >/dev/null 2>&1 <<'PY' && return 0
import importlib.util, sys
sys.exit(any(importlib.util.find_spec(m) is None for m in sys.argv[1:]))
PY
    done
    return 1
}
have_onednn() { # no .pc file before 3.x: ask the compiler
    have cc && printf '#include <oneapi/dnnl/dnnl.h>\nint main(void) { return dnnl_version() == 0; }\n' |
        cc -x c -o /dev/null - -ldnnl >/dev/null 2>&1
}
meson_is_new() {
    have meson && printf '1.0.0\n%s\n' "$(meson --version)" | sort -V -C
}

# The packages that are missing, one a line. $1: build | test | peers
deps_missing() {
    case $1 in
    build)
        have cc || { say gcc; say libc6-dev; }
        have meson || say meson
        have ninja || say ninja-build
        have pkg-config || say pkg-config
        have_onednn || say libdnnl-dev
        have_pc libturbojpeg || say libturbojpeg0-dev
        have_pc libpng || say libpng-dev
        have_pc yaml-0.1 || say libyaml-dev
        have_pc sqlite3 || say libsqlite3-dev
        have_pc lapack || say liblapack-dev
        have_pc libcjson || say libcjson-dev
        have_pc libxxhash || say libxxhash-dev
        ;;
    test)
        have_pc cmocka || say libcmocka-dev
        have python3 || say python3
        ;;
    peers) # what our numbers are compared with; tests that need one skip without it
        have_py optuna || say python3-optuna
        have_py sklearn || say python3-sklearn
        have_py torch || say python3-torch
        have_py torchvision || say python3-torchvision
        have_py jsonschema || say python3-jsonschema
        ;;
    esac
}

apt_get() { # as root, without questions
    if [ "$(id -u)" -eq 0 ]; then
        DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=120 "$@"
    else
        sudo env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=120 "$@"
    fi
}

can_install() {
    have apt-get && { [ "$(id -u)" -eq 0 ] || have sudo; }
}

# Debian 12 and Ubuntu 24.04 have a Meson that is new enough. On an older system it comes from PyPI,
# into a folder of the checkout, and nothing of the system is touched.
meson_ensure() {
    meson_is_new && return 0
    local venv=$1/.cache/meson
    if [ ! -x "$venv/bin/meson" ]; then
        say "The system's Meson is older than 1.0: getting a newer one into .cache/meson"
        python3 -m venv "$venv" 2>/dev/null || { apt_get install -y python3-venv && python3 -m venv --clear "$venv"; } ||
            die "Meson 1.0 or newer is needed: python3 -m pip install --user meson"
        "$venv/bin/pip" -q install 'meson>=1.0' || die "Meson 1.0 or newer is needed: python3 -m pip install --user meson"
    fi
    PATH=$venv/bin:$PATH
    meson_is_new || die "Meson 1.0 or newer is needed, this is $(meson --version)"
}

# deps_install ROOT KIND...: install what is missing; stops when something that the build needs stays
# missing, but the peers may stay out.
deps_install() {
    local root=$1 kind missing updated=
    shift
    for kind; do
        missing=$(deps_missing "$kind" | tr '\n' ' ')
        [ -n "$missing" ] || continue
        if ! can_install; then
            [ "$kind" != peers ] || { say "Not installed (comparisons with them are skipped): $missing"; continue; }
            die "needs these packages (Debian's names), and can't install them here: $missing"
        fi
        say "Installing: $missing"
        if [ -z "$updated" ]; then
            apt_get update || say "apt-get update failed; trying with the lists that are there"
            updated=1
        fi
        # shellcheck disable=SC2086 # a list of words
        if ! apt_get install -y --no-install-recommends $missing >/dev/null; then
            [ "$kind" = peers ] || die "apt-get could not install: $missing"
            # One that a distribution lacks must not keep the others out.
            local p
            for p in $missing; do
                apt_get install -y --no-install-recommends "$p" >/dev/null 2>&1 || say "  $p: not available, comparisons with it are skipped"
            done
        fi
        if [ "$kind" != peers ]; then
            missing=$(deps_missing "$kind" | tr '\n' ' ')
            [ -z "$missing" ] || die "still missing after the installation: $missing"
        fi
    done
    meson_ensure "$root"
}

# is_build_of FOLDER ROOT: a build folder of this checkout, not of one that was moved or copied?
is_build_of() {
    [ -f "$1/build.ninja" ] && grep -qF "\"source\": \"$2\"" "$1/meson-info/meson-info.json" 2>/dev/null
}

# configure ROOT FOLDER OPTION...: make ROOT/FOLDER a build folder with exactly these options. One that
# had other values for them is configured again; one that was configured by hand, elsewhere, or by
# another Meson or compiler is made anew.
configure() {
    local root=$1 dir=$1/$2 name=$2 tools options mode=() old
    shift 2
    tools="$(meson --version) CC=${CC:-} CFLAGS=${CFLAGS:-}"
    options=$(printf '%s\n' "$@")
    if is_build_of "$dir" "$root" && [ "$tools" = "$(head -n 1 "$dir/.configured" 2>/dev/null)" ]; then
        old=$(tail -n +2 "$dir/.configured")
        [ "$old" != "$options" ] || return 0
        # An option that is no longer given would silently keep its old value.
        if [ "$(sed 's/=.*//' <<<"$old" | sort)" = "$(sed 's/=.*//' <<<"$options" | sort)" ]; then
            mode=(--reconfigure)
        fi
    fi
    if [ ${#mode[@]} -eq 0 ] && [ -d "$dir" ] && [ -n "$(ls -A "$dir")" ]; then
        [ -d "$dir/meson-private" ] || { say "$name/ is in the way and not a build folder: move it" >&2; return 1; }
        say "$name/ was configured otherwise: making it anew"
        rm -rf "$dir"
    fi
    mkdir -p "$dir"
    rm -f "$dir/.configured"
    if ! meson setup ${mode[@]+"${mode[@]}"} "$dir" "$root" "$@" >"$dir/.configure.log" 2>&1; then
        cat "$dir/.configure.log" >&2
        return 1
    fi
    sed -n '/^  Features/,/^$/p' "$dir/.configure.log"
    printf '%s\n%s\n' "$tools" "$options" >"$dir/.configured"
}
