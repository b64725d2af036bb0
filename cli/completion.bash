# SPDX-License-Identifier: MIT
# Completion of faultwise in bash. What options there are, the command says:
# lines of verb, letter, name, argument.
_faultwise_options() {
	faultwise help options 2>/dev/null | while IFS= read -r line; do
		# Tabs in a row count as one for read: put something between.
		IFS='|' read -r verb letter name arg <<<"${line//$'\t'/|}"
		[[ $verb == "$1" ]] && echo "$letter|$name|$arg"
	done
}

# Whether word $2 of verb $1 is an option whose value is the next word.
_faultwise_takes_value() {
	local letter name arg
	while IFS='|' read -r letter name arg; do
		[[ -n $arg && ($2 == "$name" || (-n $letter &&
			$2 == -*"${letter#-}" && $2 != --*)) ]] && return 0
	done < <(_faultwise_options "$1")
	return 1
}

# The index of the first word that is no option of verb $1, or of what is
# being completed.
_faultwise_operand() {
	local i
	for ((i = 2; i < COMP_CWORD; i++)); do
		[[ ${COMP_WORDS[i]} == -- ]] && echo $((i + 1)) && return
		[[ ${COMP_WORDS[i]} != -* ]] && break
		_faultwise_takes_value "$1" "${COMP_WORDS[i]}" && ((i++))
	done
	echo "$i"
}

_faultwise_value() {
	case $1 in
	-b | --backing) COMPREPLY=(file:) && compopt -o nospace 2>/dev/null ;;
	--commit) mapfile -t COMPREPLY < <(compgen -W 'heuristic strict' -- "$2") ;;
	-p | --policy)
		mapfile -t COMPREPLY < <(compgen -W 'nt clock fifo random' -- "$2")
		;;
	--stat) mapfile -t COMPREPLY < <(compgen -f -- "$2") ;;
	esac
}

_faultwise() {
	local word=${COMP_WORDS[COMP_CWORD]} verb=${COMP_WORDS[1]} at words
	COMPREPLY=()
	if ((COMP_CWORD == 1)); then
		words='run replay doctor help version'
		mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
		return
	fi
	if [[ $verb == help ]]; then
		mapfile -t COMPREPLY < <(compgen -W 'run replay doctor' -- "$word")
		return
	fi
	at=$(_faultwise_operand "$verb")
	if ((at > COMP_CWORD)); then
		_faultwise_value "${COMP_WORDS[COMP_CWORD - 1]}" "$word"
	elif ((at == COMP_CWORD)) && [[ $word == -* ]]; then
		words=$(_faultwise_options "$verb" | tr '|' ' ' | cut -d' ' -f1,2)
		mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
	elif [[ $verb == run ]] && ((at == COMP_CWORD)); then
		mapfile -t COMPREPLY < <(compgen -c -- "$word")
	else
		mapfile -t COMPREPLY < <(compgen -f -- "$word")
	fi
}
complete -F _faultwise faultwise
