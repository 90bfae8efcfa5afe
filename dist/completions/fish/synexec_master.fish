complete -c synexec_master -l check -d 'Show what this conf would run and warn of likely mistakes; send nothing' -r -F
complete -c synexec_master -l new-key -d 'Write a new random key for --key-file into this file, which must not exist yet' -r -F
complete -c synexec_master -s i -l interface -d 'Use only this network interface, and wait until it has an IPv4 address' -r
complete -c synexec_master -s p -l port -d 'UDP and TCP port' -r
complete -c synexec_master -s s -l session -d 'Session id; only programs with the same id talk to each other' -r
complete -c synexec_master -s k -l key-file -d 'Require the shared key in this file and encrypt everything; only the owner may have access to the file' -r -F
complete -c synexec_master -l allow -d 'Talk only to this address or network; repeatable [default: any]' -r
complete -c synexec_master -l lost-after -d 'Silence in seconds after which the other side counts as lost' -r
complete -c synexec_master -l reconnect -d 'Time in seconds to resume a connection that breaks while tasks run; 0 to give up at once' -r
complete -c synexec_master -l log-file -d 'Log file of a daemon, which SIGHUP opens anew [default: PROGRAM.log in /var/log for root, otherwise in ~/.local/state]' -r -F
complete -c synexec_master -s t -l target -d 'Send probes to this host too, by unicast; repeatable; for networks without broadcast' -r
complete -c synexec_master -l wait -d 'Give up if not all slaves have joined after this many seconds [default: wait for ever]' -r
complete -c synexec_master -l quorum -d 'When --wait is over, start if at least this many slaves have joined' -r
complete -c synexec_master -l env -d 'Set this variable in the environment of every task; repeatable' -r
complete -c synexec_master -l timeout -d 'Stop tasks that have not ended after this many seconds; their rows say `timed out` [default: never]' -r
complete -c synexec_master -l on-lost -d 'What to do with the other tasks when a slave is lost while they run' -r -f -a "stop\t'Stop them'
continue\t'Let them run to their ends'"
complete -c synexec_master -l on-failure -d 'What to do with the other tasks and with further rounds when a task fails' -r -f -a "stop\t'Stop them'
continue\t'Let them run to their ends'"
complete -c synexec_master -l lead -d 'Milliseconds from the order to the start, at most ten minutes [default: depends on the measured round trips]' -r
complete -c synexec_master -l rounds -d 'Run the task this many times in one session, each time with a new start' -r
complete -c synexec_master -l max-skew -d 'Exit with status 6 if the skew is larger than this many microseconds, or is not known for all slaves' -r
complete -c synexec_master -l expect -d 'Names of slaves that must take part, as in `web[1-12,14],db1`, in the order of their ranks; if these are SLAVES names or more, no other slave takes part; repeatable' -r
complete -c synexec_master -l exclude -d 'Names of slaves that must not take part, written as for --expect; repeatable' -r
complete -c synexec_master -l progress -d 'Interval in seconds at which slaves report the progress of their tasks [default: only when probed]' -r
complete -c synexec_master -s o -l output -d 'When all tasks have ended, store their outputs in this directory, each in a file RANK-NAME.out' -r -F
complete -c synexec_master -l max-output -d 'Most bytes that are kept of each output; K, M and G mean KiB, MiB and GiB; a longer output is cut' -r
complete -c synexec_master -l json -d 'Write everything that is known to this file, as JSON' -r -F
complete -c synexec_master -l csv -d 'Write a row for each slave and round to this file, as CSV' -r -F
complete -c synexec_master -l html -d 'Write a page for a browser to this file, with a timeline, charts and the ends of all outputs' -r -F
complete -c synexec_master -l color -d 'When to use colours; without this option, `NO_COLOR` in the environment means never' -r -f -a "auto\t'Use colours if stdout is a terminal'
always\t'Use colours always'
never\t'Use no colours'"
complete -c synexec_master -s d -l daemon -d 'Run in the background and print the pid on stdout'
complete -c synexec_master -s v -l verbose -d 'Print more messages; give it twice for even more'
complete -c synexec_master -s q -l quiet -d 'Print only errors'
complete -c synexec_master -s b -l broadcast -d 'Send probes only to 255.255.255.255, not to the broadcast addresses of the interfaces'
complete -c synexec_master -l force -d 'With -o: remove the outputs of earlier runs from the directory; without it, a directory that has some is refused'
complete -c synexec_master -l live -d 'Print the lines of all outputs as they arrive, each after the name of its slave'
complete -c synexec_master -l gather -d 'When all tasks have ended, print their outputs; equal outputs only once, with the names of their slaves'
complete -c synexec_master -l diff -d 'Like --gather, but print only the differences of outputs that differ from the most common one'
complete -c synexec_master -l separate -d 'Keep standard error of the tasks apart from their output: -o stores it in files RANK-NAME.err, --live prints it on stderr'
complete -c synexec_master -l all -d 'Show every slave in a row of its own, even if there are many'
complete -c synexec_master -s h -l help -d 'Print help (see more with \'--help\')'
complete -c synexec_master -s V -l version -d 'Print version'
