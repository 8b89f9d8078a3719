"""The media plane: RTP ports, relay, prompts, music, digits and recordings, in worker processes.

    plane      WorkerPlane: the signalling side, implements `ports.MediaPlane`
    wire       the commands and events between plane and worker, framed msgpack on a Unix socket
    worker     its process: epoll, the hot relay loop; `python -m cicswitch.media` starts it
    inlet      what epoll finds behind a socket, as the hot loop sees it
    engine     the worker's commands: legs by number, who feeds whom
    leg        one leg: latching, input, output, the slow path of a packet
    pool       bound port pairs, their quarantine after a call
    player     prompts, tones and digits, paced at 20 ms
    sources    WAV files and tones, encoded once a law, shared by all legs
    recorder   stereo WAV recordings, aligned by arrival and timestamp
    wav        reading, writing, repair
    listener   in-band digits of the legs that have no telephone events
    reports    RTCP out and in
    speech     espeak-ng; library: prompt names to files; make_prompts: makes `media/`

A packet between two bridged legs that nothing else touches takes the fast path in `worker`: one
recv, four comparisons, a header rewritten in place, one send. Everything else (the first packet of
a stream, a gap, a digit, another codec's payload type) takes `Leg.slow`, which arms the fast path
again. Who may write what: the worker's loop thread owns everything but the writer thread's queue.

What can fail: a worker dies (`MediaWorkerLost`, another is started), no port is free
(`MediaExhausted`), a file cannot be read (`PlayFinished.error`) or written
(`RecordingClosed.error`), a far end goes silent (`MediaTimeout`). None of it ends other calls.
"""
