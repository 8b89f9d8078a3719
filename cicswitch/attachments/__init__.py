"""Files of messages: what came with an email or a chat, what agents send.

    kinds.py   what a file is, by its bytes; a name that is safe to show and to save
    clamd.py   what a virus scanner is asked and says
    files.py   `Attachments`: the files on disk, by their SHA-256

States of a file, and who changes them:

    part        it is being written; a crash leaves it to the next start, which removes it
    kept        whole and on disk under its digest, before any row names it
    unscanned   kept, with a mark beside it: nobody is given it until the scanner has seen it
    infected    kept, with the finding beside it: nobody is given it

A file that no row and no offer names for a day is removed.
"""
