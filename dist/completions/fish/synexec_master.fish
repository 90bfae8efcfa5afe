complete -c synexec_master -l check -d 'Only show what this conf would run, and warn of what is likely to be a mistake; send nothing' -r -F
complete -c synexec_master -l new-key -d 'Only write a new random key into this file, which must not be there yet, for --key-file' -r -F
complete -c synexec_master -s i -l interface -d 'Use this network interface only' -r
complete -c synexec_master -s p -l port -d 'Port, for UDP and TCP alike' -r
complete -c synexec_master -s s -l session -d 'Session id; only peers of the same session talk to each other' -r
complete -c synexec_master -s k -l key-file -d 'Talk only to who has the secret in this file, and only in secret; for its owner only to read' -r -F
complete -c synexec_master -l allow -d 'Talk only to this address or network; repeatable [default: to any]' -r
complete -c synexec_master -l lost-after -d 'Silence in seconds after which a peer counts as lost' -r
complete -c synexec_master -l reconnect -d 'Seconds in which a connection that breaks while tasks run may be taken up again; 0: not at all' -r
complete -c synexec_master -l log-file -d 'Where a daemon\'s output goes [default: PROGRAM.log in /var/log for root, else in ~/.local/state]' -r -F
complete -c synexec_master -s t -l target -d 'Probe this host by unicast too; repeatable; for networks without broadcast' -r
complete -c synexec_master -l wait -d 'Give up when not all slaves have joined by then [default: wait for ever]' -r
complete -c synexec_master -l quorum -d 'Start with so many slaves of those asked for, where --wait is over and no more are here' -r
complete -c synexec_master -l timeout -d 'Stop tasks that have not ended after this time; the row says `timed out` [default: wait for ever]' -r
complete -c synexec_master -l on-lost -d 'What becomes of the other tasks when a slave is lost while they run' -r -f -a "abort\t'They are stopped'
continue\t'They run to their ends'"
complete -c synexec_master -l lead -d 'How far ahead the start is ordered, at most ten minutes [default: as the measured round trips ask for]' -r
complete -c synexec_master -l rounds -d 'Run the task so many times, each with a start of its own' -r
complete -c synexec_master -l max-skew -d 'Exit with status 6 when the starts were further apart, or are not known for all slaves' -r
complete -c synexec_master -l expect -d 'Name slaves that are expected, as in `web[1-12,14],db1`, to be told which are still missing; repeatable' -r
complete -c synexec_master -l progress -d 'Have the slaves tell so often how far their tasks are; without it, they tell only when they are probed' -r
complete -c synexec_master -s o -l output -d 'Fetch the tasks\' outputs into this directory when all have ended, a file RANK-NAME.out for each' -r -F
complete -c synexec_master -l json -d 'Write all that is known into this file, as JSON' -r -F
complete -c synexec_master -l csv -d 'Write a row for each slave and round into this file, as CSV' -r -F
complete -c synexec_master -l html -d 'Write one page for a browser into this file, with a timeline, charts and the ends of all outputs' -r -F
complete -c synexec_master -l color -d 'When to mark what stands out by colour; `NO_COLOR` in the environment means never, unless this says otherwise' -r -f -a "auto\t'Where stdout is a terminal'
always\t'Always'
never\t'Never'"
complete -c synexec_master -s d -l daemon -d 'Run in the background; print the pid on stdout'
complete -c synexec_master -s v -l verbose -d 'Say more; given twice, even more'
complete -c synexec_master -s q -l quiet -d 'Say nothing but errors'
complete -c synexec_master -s b -l broadcast -d 'Probe 255.255.255.255 only, not the interfaces\' own broadcast addresses'
complete -c synexec_master -l live -d 'Print the lines of all outputs as they come, each with the slave\'s name in front'
complete -c synexec_master -l gather -d 'Print the outputs when all tasks have ended, those that are the same once, with the names of all whose they are'
complete -c synexec_master -l diff -d 'As --gather, but of outputs that are not like most others print only what differs'
complete -c synexec_master -l all -d 'Show every slave in the table, not only those that stand out when there are many'
complete -c synexec_master -s h -l help -d 'Print help (see more with \'--help\')'
complete -c synexec_master -s V -l version -d 'Print version'
