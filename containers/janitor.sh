# The janitor outlives the process that started it by a few seconds, to end what that process left running and to remove
# what it left lying about. It reads orders on standard input, one a line; the end of its input is the end of the
# process, and then it goes to work.
#
#   watch SIGNAL PID     a child that leads a process group: send it SIGNAL (a number), and when the group is not gone
#                        8 s later, SIGKILL to all of it
#   forget PID           the child has ended
#   remove PATH          an absolute path to remove
trap '' HUP INT QUIT TERM PIPE

watched= # SIGNAL:PID ...
set --   # paths to remove

while read -r verb rest; do
	case $verb in
	watch) watched="$watched ${rest% *}:${rest#* }" ;;
	forget)
		kept=
		for target in $watched; do [ "${target#*:}" = "$rest" ] || kept="$kept $target"; done
		watched=$kept
		;;
	remove) set -- "$@" "$rest" ;;
	esac
done

# 80 rounds of 0.1 s: PostgreSQL gives its own children 5 s before it kills them. Members of a group that its leader has
# left are not signalled: killed, the helpers of initdb would leave shared memory behind; left alone, they end as well.
signalled=
round=0
while [ "$round" -lt 80 ]; do
	quiet=yes
	for target in $watched; do
		pid=${target#*:}
		if kill -0 "$pid" 2>/dev/null; then
			case " $signalled " in
			*" $target "*) ;;
			*)
				kill -"${target%%:*}" "$pid" 2>/dev/null
				kill -CONT "$pid" 2>/dev/null # a paused one hears nothing else
				signalled="$signalled $target"
				;;
			esac
		else
			kill -0 "-$pid" 2>/dev/null || continue
		fi
		quiet=no
	done
	[ "$quiet" = no ] || break
	sleep 0.1
	round=$((round + 1))
done

for target in $watched; do
	kill -9 "-${target#*:}" 2>/dev/null || kill -9 "${target#*:}" 2>/dev/null
done

for entry; do
	# Whoever still writes there can make one attempt fail.
	round=0
	while [ -e "$entry" ] && [ "$round" -lt 20 ]; do
		rm -rf -- "$entry" 2>/dev/null
		[ ! -e "$entry" ] || sleep 0.1
		round=$((round + 1))
	done
done
