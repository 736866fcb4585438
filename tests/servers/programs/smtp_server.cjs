// npm's smtp-server, as a program: `node smtp_server.cjs SETTINGS.json`.
// Keeps what it accepts as files, and writes a log of one JSON object a line.

'use strict';

const { readFileSync } = require('node:fs');
const { SMTPServer } = require('smtp-server');
const { Desk } = require('./desk.cjs');

const settings = JSON.parse(readFileSync(process.argv[2]));
const desk = new Desk(settings);

function refusal(text, code) {
    return Object.assign(new Error(text), { responseCode: code });
}

function isRight(auth) {
    if (auth.username !== settings.username) return false;
    if (auth.method === 'XOAUTH2') return auth.accessToken === settings.token;
    if (auth.method === 'CRAM-MD5') return auth.validatePassword(settings.password);
    return auth.password === settings.password;
}

// A client may be gone before it is greeted: an end without a begin.
const open = new Set();

const handlers = {
    onConnect(session, done) {
        open.add(session.id);
        desk.tell('begin', session.id);
        done();
    },
    onClose(session) {
        if (open.delete(session.id)) desk.tell('end', session.id);
    },
    onAuth(auth, session, done) {
        if (!isRight(auth)) return done(refusal('5.7.8 Authentication credentials invalid', 535));
        done(null, { user: { mechanism: auth.method } });
    },
    onRcptTo(address, session, done) {
        if (desk.knows(address.address)) return done();
        desk.tell('refused', session.id, { recipient: address.address });
        done(refusal('5.1.1 User unknown', 550));
    },
    onData(stream, session, done) {
        const chunks = [];
        stream.on('data', (chunk) => chunks.push(chunk));
        stream.on('end', () => {
            const id = desk.keep(session.id, Buffer.concat(chunks), {
                sender: session.envelope.mailFrom.address,
                recipients: session.envelope.rcptTo.map((each) => each.address),
                mechanism: session.user.mechanism,
            });
            done(null, `2.0.0 Ok: queued as ${id}`);
        });
    },
};

const logger = {
    info() {},
    error() {},
    debug(details, direction, line) {
        if (details.tnx !== 'command') return;
        const name = line.split(' ')[0].toUpperCase();
        // What answers a challenge comes here too, under the name of AUTH.
        if (settings.verbs.includes(name)) desk.tell('command', details.cid, { name });
    },
};

function listen(port, secure) {
    const server = new SMTPServer({
        ...handlers,
        logger,
        secure,
        name: settings.hostname,
        banner: 'smtp-server',
        size: settings.size_limit,
        authMethods: settings.mechanisms,
        key: readFileSync(settings.key),
        cert: readFileSync(settings.certificate),
        hideDSN: false,
        hideENHANCEDSTATUSCODES: false,
        disableReverseLookup: true,
    });
    server.on('error', () => {}); // of a client that hangs up
    return new Promise((resolve) => server.listen(port, settings.host, resolve));
}

Promise.all([listen(settings.ports.starttls, false), listen(settings.ports.implicit, true)]).then(
    () => desk.tell('ready', ''),
);
