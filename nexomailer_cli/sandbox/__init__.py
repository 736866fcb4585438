"""A capture server on loopback, for trying things out without an account.

certificate.py   an authority and a certificate for this machine
maildir.py       messages as files
subject.py       a message's subject, for lists
tricks.py        addresses that misbehave, as a table
reception.py     what is answered to whom; what a captured message is
conversation.py  aiosmtpd, with what it lacks
server.py        the server on its thread
"""
