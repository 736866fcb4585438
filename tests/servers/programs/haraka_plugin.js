// The one plugin of our Haraka: it signs in one account, knows the mailboxes, keeps what it
// accepts as files, and writes a log of one JSON object a line.

'use strict';

const fs = require('node:fs');

exports.register = function () {
    this.inherits('auth/auth_base');
    const settings = JSON.parse(fs.readFileSync(process.env.SETTINGS));
    this.settings = settings;
    this.desk = new (require(settings.desk).Desk)(settings);
};

exports.get_plain_passwd = function (user, connection, done) {
    done(user === this.settings.username ? this.settings.password : null);
};

exports.hook_connect_init = function (next, connection) {
    this.desk.tell('begin', connection.uuid);
    const processLine = connection.process_line;
    connection.process_line = (line) => {
        const name = line.toString('latin1').trim().split(' ')[0].toUpperCase();
        // Content passes here too; what answers a challenge has no name.
        if (connection.state !== this.states.DATA && this.settings.verbs.includes(name)) {
            this.desk.tell('command', connection.uuid, { name });
        }
        processLine.call(connection, line);
    };
    next();
};

exports.states = require('haraka-constants').connection.state;

exports.hook_disconnect = function (next, connection) {
    this.desk.tell('end', connection.uuid);
    next();
};

// No name server is asked.
exports.hook_lookup_rdns = function (next) {
    next(OK, 'localhost');
};

exports.hook_mail = function (next, connection) {
    next(connection.relaying ? OK : DENY);
};

exports.hook_rcpt = function (next, connection, [recipient]) {
    const address = recipient.address;
    if (this.desk.knows(address)) return next(OK);
    this.desk.tell('refused', connection.uuid, { recipient: address });
    next(DENY, '5.1.1 User unknown');
};

// Mail of somebody who has signed in leaves by this hook, all other by `queue`.
exports.hook_queue_outbound = function (next, connection) {
    const { message_stream, mail_from, rcpt_to } = connection.transaction;
    message_stream.get_data((content) => {
        const id = this.desk.keep(connection.uuid, content, {
            sender: mail_from.address,
            recipients: rcpt_to.map((each) => each.address),
            mechanism: connection.notes.auth_method,
        });
        next(OK, `2.0.0 Ok: queued as ${id}`);
    });
};
