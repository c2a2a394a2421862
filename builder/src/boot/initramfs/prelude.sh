# What bootwright puts before initramfs-tools' hook-functions while it builds an image; never part of the image.
# Copying some 190 modules costs about 1,300 runs of readlink, realpath, mkdir and modinfo. The functions below
# answer the plain cases in the shell and hand every other case to the program itself.

# Tells whether a path exists, is in normal form and has no symbolic link in it.
bootwright_plain() {
	case "$1/" in
	[!/]* | *//* | */./* | */../*) return 1 ;;
	esac
	[ -e "$1" ] || return 1
	bootwright_path=$1
	while [ -n "${bootwright_path}" ]; do
		[ ! -h "${bootwright_path}" ] || return 1
		bootwright_path=${bootwright_path%/*}
	done
}

bootwright_bin=$(command readlink -f /bin)

readlink() {
	if [ $# = 2 ] && [ "$1" = -f ]; then
		if [ "$2" = /bin ] && [ -n "${bootwright_bin}" ]; then
			echo "${bootwright_bin}"
			return 0
		elif bootwright_plain "$2"; then
			echo "$2"
			return 0
		fi
	fi
	command readlink "$@"
}

# Only the forms that look at the text of a path: -s, and -ms, which accepts what does not exist.
realpath() {
	if [ $# = 2 ] && { [ "$1" = -ms ] || { [ "$1" = -s ] && [ -e "$2" ]; }; }; then
		bootwright_path=$2
		case "$2" in
		//*) bootwright_path=${2#/} ;;
		esac
		case "${bootwright_path}/" in
		/ | [!/]* | *//* | */./* | */../*) ;;
		*)
			echo "${bootwright_path}"
			return 0
			;;
		esac
	fi
	command realpath "$@"
}

mkdir() {
	if [ $# = 2 ] && [ "$1" = -p ] && [ -d "$2" ]; then
		return 0
	fi
	command mkdir "$@"
}

# Modules, which mkinitramfs copies one by one: their names are written down, with an empty file in the place of each, and
# one run of cpio copies them before anything else is copied. Hooks, which are other processes, copy at once.
cp() {
	if [ "${0##*/}" = mkinitramfs ] && [ $# = 3 ] && [ "$1" = -pP ]; then
		case "$2" in
		/usr/lib/modules/*.ko | /usr/lib/modules/*.ko.?z | /usr/lib/modules/*.ko.zst)
			if [ "$3" = "${DESTDIR}/$2" ] && [ ! -h "$2" ] && [ ! -e "$3" ] && : >"$3"; then
				printf '%s\n' "$2" >>"${DESTDIR}.copies"
				return 0
			fi
			;;
		esac
	fi
	if [ -e "${DESTDIR}.copies" ]; then
		command cpio --quiet -pdmu "${DESTDIR}" <"${DESTDIR}.copies" || return
		command rm "${DESTDIR}.copies"
	fi
	command cp "$@"
}

# Paths of libraries, of which those for special processors are changed.
sed() {
	if [ $# = 2 ] && [ "$1" = -e ]; then
		case "$2" in
		's#/lib/\([^/]*/\)\?\(tls\|i686\|sse2\|neon\|vfp\)'* | 's#-linux-gnu/\(tls\|i686\|sse2\|neon\|vfp\)'*)
			while IFS= read -r bootwright_line; do
				case "${bootwright_line}" in
				*/tls* | */i686* | */sse2* | */neon* | */vfp*)
					printf '%s\n' "${bootwright_line}" | command sed "$@"
					;;
				*) printf '%s\n' "${bootwright_line}" ;;
				esac
			done
			return 0
			;;
		esac
	fi
	command sed "$@"
}

# Without any firmware there is none to be found for a module.
if [ ! -e /lib/firmware ]; then
	modinfo() {
		case " $* " in
		*" -F firmware "*) return 0 ;;
		esac
		command modinfo "$@"
	}
fi

# Stands for `$compress -c` on the main archive, which is a file or standard input: leaves zstd to bootwright, with a
# note on the place of the archive in the output, which is where the output ends so far.
bootwright_compress() {
	case "${compress}" in
	"zstd -q "*)
		printf '%s\n' "${compress}" "$(stat -c %s "${outfile}")" >"${outfile}.note"
		cat "$@" >"${outfile}.main"
		;;
	*) ${compress} -c "$@" ;;
	esac
}

