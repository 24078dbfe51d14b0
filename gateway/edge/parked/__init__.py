"""The parked edge: a socket that waits costs a descriptor and a few bytes in arrays, no task, no timer, no object.

In reading order: `http` and `handshake` answer the request, `upgrade` is what the ASGI app sees of it (`asgi`: in which
words), `driving` runs the app without a task. `lot` holds the sockets that wait: `slots` is their state, `descriptors`
the system calls, `sending` writes (`backlog`: to who is slow), `hearing` reads (`inbound`: until nothing is half said),
`keepalive` asks who is still there (`wheel`: when). `slim` is the costlier way for TLS, `fallback` the one under any
other server. Nothing here knows what a frame says.
"""
