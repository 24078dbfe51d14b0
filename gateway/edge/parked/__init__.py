"""The parked edge: a socket that waits costs a descriptor and a few bytes in arrays, no task, no timer, no object.

In reading order: `porch` lets in (`threshold`: whoever is silent yet), `knock` hears the first request (`head`: read in
one go; `handshake`: is it sound; `doorway`: before there is a transport), `http` answers all else, `upgrade` is what
the ASGI app sees of a socket (`asgi`: in which words), `driving` runs the app without a task. `lot` holds the sockets
that wait: `slots` is their state, `descriptors` the system calls, `sending` writes (`backlog`: to who is slow),
`hearing` reads (`inbound`: until nothing is half said), `keepalive` asks who is still there (`wheel`: when). `slim` is
the costlier way for TLS, `fallback` the one under any other server. Nothing here knows what a frame says.
"""
