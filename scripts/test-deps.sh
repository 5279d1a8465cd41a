#!/bin/sh
# Installs the system packages that the tests use and this machine lacks: a
# PostgreSQL server with its client programs, PgBouncer, a browser for the
# pages' tests, promtool, which checks metrics and alerts, and a C compiler, which
# links the race detector. Servers of other major versions are not its business;
# see internal/pgcluster/fetch.
#
# Silent and quick when all is there. As root on Debian or Ubuntu it installs;
# anywhere else it prints the one command to type and ends with 1.
# Nothing it installs is started, and no database cluster is created.
set -eu

# Servers and PgBouncer live outside of a user's PATH.
PATH=$PATH:/usr/sbin:/sbin
for dir in /usr/lib/postgresql/*/bin; do
	[ -d "$dir" ] && PATH=$PATH:$dir
done

have() { command -v "$1" >/dev/null 2>&1; }

missing=
have pgbouncer || missing="$missing pgbouncer"
have chromium || have chromium-browser || have google-chrome || missing="$missing chromium"
have promtool || missing="$missing prometheus"
have gcc || have clang || missing="$missing gcc libc6-dev"
if ! have postgres || ! have initdb; then
	missing="$missing postgresql postgresql-contrib"
elif ! have pg_dump || ! have psql; then
	missing="$missing postgresql-client"
fi
# pglogical is built for one server: Debian's, of major 15. Where apt knows of
# none, its tests say that they are skipped.
known() { apt-cache show "$1" >/dev/null 2>&1; }
[ -e /usr/share/postgresql/15/extension/pglogical.control ] || ! known postgresql-15-pglogical ||
	missing="$missing postgresql-15-pglogical"
# Bucardo keeps its own database in PL/Perl, of the same server.
[ -e /usr/share/postgresql/15/extension/plperlu.control ] || ! known postgresql-plperl-15 ||
	missing="$missing postgresql-plperl-15"
have bucardo || ! known bucardo || missing="$missing bucardo"
[ -n "$missing" ] || exit 0

if ! have apt-get; then
	echo "tests need what is missing here; install with your package manager:$missing" >&2
	exit 1
fi
if [ "$(id -u)" != 0 ]; then
	echo "tests need packages that are missing here; type: sudo $0" >&2
	exit 1
fi

# Debian starts what it installs, unless policy-rc.d says 101, and creates a
# cluster for each new server version, unless createcluster.conf says no. Both
# are set for the time of the installation only; what was there comes back.
policy=/usr/sbin/policy-rc.d
conf=/etc/postgresql-common/createcluster.conf
saved=$(mktemp -d)

put_back() {
	if [ -e "$saved/policy" ]; then cp -p "$saved/policy" "$policy"; else rm -f "$policy"; fi
	[ ! -e "$saved/conf" ] || cp -p "$saved/conf" "$conf"
	rm -rf "$saved"
}
trap put_back EXIT
trap 'exit 1' HUP INT TERM

[ ! -e "$policy" ] || cp -p "$policy" "$saved/policy"
printf '#!/bin/sh\nexit 101\n' >"$policy"
chmod 755 "$policy"

get() {
	DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 \
		install -y --no-install-recommends "$@" </dev/null >"$saved/log" 2>&1
}

# install tries once more with fresh package lists: old ones name files that the
# archive no longer has.
install() {
	get "$@" && return
	apt-get -qq -o DPkg::Lock::Timeout=300 update >/dev/null 2>&1 || :
	get "$@" && return
	cat "$saved/log" >&2
	echo "tests need packages that could not be installed; once that is mended, type: $0" >&2
	exit 1
}

echo "installing for the tests:$missing" >&2
case $missing in
*" postgresql "*)
	install postgresql-common # it brings the file that is changed next
	if [ -e "$conf" ]; then
		cp -p "$conf" "$saved/conf"
		echo "create_main_cluster = false" >>"$conf"
	fi
	;;
esac
# Word splitting is meant: one argument per package.
# shellcheck disable=SC2086
install $missing
