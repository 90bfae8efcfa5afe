complete -c synexec_slave -s i -l interface -d 'Use this network interface only' -r
complete -c synexec_slave -s p -l port -d 'Port, for UDP and TCP alike' -r
complete -c synexec_slave -s s -l session -d 'Session id; only peers of the same session talk to each other' -r
complete -c synexec_slave -s k -l key-file -d 'Talk only to who has the secret in this file, and only in secret; for its owner only to read' -r -F
complete -c synexec_slave -l allow -d 'Talk only to this address or network; repeatable [default: to any]' -r
complete -c synexec_slave -l lost-after -d 'Silence in seconds after which a peer counts as lost' -r
complete -c synexec_slave -l reconnect -d 'Seconds in which a connection that breaks while tasks run may be taken up again; 0: not at all' -r
complete -c synexec_slave -l log-file -d 'Where a daemon\'s output goes [default: PROGRAM.log in /var/log for root, else in ~/.local/state]' -r -F
complete -c synexec_slave -s m -l master -d 'Connect to this master, again and again until it is there, instead of listening for probes' -r
complete -c synexec_slave -l name -d 'What reports call this slave [default: the host\'s name]' -r
complete -c synexec_slave -l work-dir -d 'Where the payload and the task\'s output go; each slave of a host needs its own' -r -F
complete -c synexec_slave -l user -d 'Run the tasks as this user, with a login\'s environment; only for root' -r
complete -c synexec_slave -l max-conf -d 'The largest conf that is taken, in bytes' -r
complete -c synexec_slave -l orphan -d 'What becomes of a task, and of all that it has started, when its session is over' -r -f -a "stop\t'It is stopped'
keep\t'It goes on, and the slave serves no other session until it has ended'"
complete -c synexec_slave -s d -l daemon -d 'Run in the background; print the pid on stdout'
complete -c synexec_slave -s v -l verbose -d 'Say more; given twice, even more'
complete -c synexec_slave -s q -l quiet -d 'Say nothing but errors'
complete -c synexec_slave -l once -d 'End after one session, with the task\'s own exit status'
complete -c synexec_slave -s h -l help -d 'Print help (see more with \'--help\')'
complete -c synexec_slave -s V -l version -d 'Print version'
