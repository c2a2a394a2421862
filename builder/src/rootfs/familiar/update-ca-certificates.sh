# What bootwright puts before update-ca-certificates while it configures packages; never part of the image.
# For each of some 140 certificates that script runs basename, sed (twice), ln, and test or readlink, and it is run twice. The
# functions below answer the plain cases in the shell and hand every other case to the program itself.

bootwright_links=$(command find /etc/ssl/certs -maxdepth 1 -type l -printf '/%p\t%l/\n' 2>/dev/null || true)

# New links are written down, and made all at once before the next list of certificates is read and before all links are
# looked at. A list that names one twice, which debconf never writes, has it counted twice.
ln() {
	case "${bootwright_linked}$2$3" in
	*"/$3/"* | *"
"*) ;;
	*)
		if [ $# = 3 ] && [ "$1" = -sf ] && [ "$3" = "${PEM}" ] && [ ! -e "$3" ] && [ ! -h "$3" ]; then
			bootwright_linked="${bootwright_linked}/$3/"
			printf '%s\n%s\n' "$2" "$3" >>"${ADDED}.links"
			return
		fi
		;;
	esac
	bootwright_link
	command ln "$@"
}
bootwright_linked=

# Makes the links that were written down: the target, then where it is.
bootwright_link() {
	if [ -f "${ADDED}.links" ]; then
		command perl -e 'chomp(@all = <STDIN>); while (@all) { symlink(shift @all, shift @all) or die "link: $!\n" }' \
			<"${ADDED}.links" || return
		command rm -f "${ADDED}.links"
	fi
}

# Names in which nothing is to be replaced, and the certificates of the bundle, which `chmod` puts there all at once.
sed() {
	if [ $# = 6 ] && [ "$*" = '-e s/ /_/g -e s/[()]/=/g -e s/,/_/g' ]; then
		while IFS= read -r bootwright_line; do
			case "${bootwright_line}" in
			*[\ \(\),]*) printf '%s\n' "${bootwright_line}" | command sed "$@" ;;
			*) printf '%s\n' "${bootwright_line}" ;;
			esac
		done
	elif [ $# = 3 ] && [ "$1" = -e ] && [ "$2" = '$a\' ] && [ "$3" = "${CERT}" ] && [ -f "$3" ] && [ -r "$3" ]; then
		printf '%s\n' "$3" >>"${ADDED}.bundled"
	else
		bootwright_link
		command sed "$@"
	fi
}

# Called with the new bundle before it gets its name.
chmod() {
	if [ -f "${ADDED}.bundled" ]; then
		command xargs -d '\n' sed -s -e '$a\' -- <"${ADDED}.bundled" >>"${TEMPBUNDLE}"
		command rm -f "${ADDED}.bundled"
	fi
	command chmod "$@"
}

# The target of a link that was there from the start and still leads to the certificate that is looked at.
readlink() {
	if [ $# = 1 ] && [ "$1" -ef "${CERT}" ]; then
		case "${bootwright_links}" in
		*"/$1	${CERT}/"*)
			printf '%s\n' "${CERT}"
			return 0
			;;
		esac
	fi
	command readlink "$@"
}

# Links that lead nowhere: a run of `test` for each, or the question that find itself can answer.
find() {
	bootwright_link
	if [ $# = 10 ] && [ "$*" = "$1 -type l ! -exec test -e {} ; -print" ]; then
		command find "$1" -xtype l -print
	else
		command find "$@"
	fi
}

