# Answers the plain cases of basename: a path, or a path and an ending that it does not consist of.
basename() {
	case "$1" in
	-* | */ | '') ;;
	*)
		bootwright_name=${1##*/}
		if [ $# = 1 ]; then
			printf '%s\n' "${bootwright_name}"
			return 0
		elif [ $# = 2 ] && [ "${bootwright_name}" != "$2" ]; then
			printf '%s\n' "${bootwright_name%"$2"}"
			return 0
		fi
		;;
	esac
	command basename "$@"
}

