complete -c synexec_slave -s i -l interface -d 'Use only this network interface, and wait until it has an IPv4 address' -r
complete -c synexec_slave -s p -l port -d 'UDP and TCP port' -r
complete -c synexec_slave -s s -l session -d 'Session id; only programs with the same id talk to each other' -r
complete -c synexec_slave -s k -l key-file -d 'Require the shared key in this file and encrypt everything; only the owner may have access to the file' -r -F
complete -c synexec_slave -l allow -d 'Talk only to this address or network; repeatable [default: any]' -r
complete -c synexec_slave -l lost-after -d 'Silence in seconds after which the other side counts as lost' -r
complete -c synexec_slave -l reconnect -d 'Time in seconds to resume a connection that breaks while tasks run; 0 to give up at once' -r
complete -c synexec_slave -l log-file -d 'Log file of a daemon, which SIGHUP opens anew [default: PROGRAM.log in /var/log for root, otherwise in ~/.local/state]' -r -F
complete -c synexec_slave -s m -l master -d 'Connect to this master instead of waiting for probes; try again until it answers' -r
complete -c synexec_slave -l name -d 'Name of this slave in reports [default: name of the host]' -r
complete -c synexec_slave -l rank -d 'Rank that this slave asks for, from 0; a master turns away a second slave that asks for the same rank' -r
complete -c synexec_slave -l work-dir -d 'Directory for the payload and the output of the task; each slave on a host needs its own' -r -F
complete -c synexec_slave -l user -d 'Run the tasks as this user, with a login\'s environment; only for root' -r
complete -c synexec_slave -l pass-env -d 'Variables of the slave\'s own environment that tasks get too, by name, as in `http_proxy,MPI_*`; `*` for all; repeatable [default: few, see the guide]' -r
complete -c synexec_slave -l max-conf -d 'Largest conf that the slave accepts, in bytes; K, M and G mean KiB, MiB and GiB' -r
complete -c synexec_slave -l orphan -d 'What to do with a task and all processes that it has started, when its session is over' -r -f -a "stop\t'Stop them'
keep\t'Let them run; the slave serves no other session until they have ended'"
complete -c synexec_slave -s d -l daemon -d 'Run in the background and print the pid on stdout'
complete -c synexec_slave -s v -l verbose -d 'Print more messages; give it twice for even more'
complete -c synexec_slave -s q -l quiet -d 'Print only errors'
complete -c synexec_slave -l once -d 'End after one session, with the exit status of the task'
complete -c synexec_slave -s h -l help -d 'Print help (see more with \'--help\')'
complete -c synexec_slave -s V -l version -d 'Print version'
