// What the servers in JavaScript do with mail: the same as desk.py for those in Python.

'use strict';

const fs = require('node:fs');
const path = require('node:path');

class Desk {
    constructor(settings) {
        this.settings = settings;
        this.count = 0;
    }

    tell(event, session, more = {}) {
        fs.appendFileSync(this.settings.log, JSON.stringify({ event, session, ...more }) + '\n');
    }

    knows(address) {
        const at = address.lastIndexOf('@');
        const [name, domain] = [address.slice(0, at), address.slice(at + 1)];
        return domain === this.settings.domain && this.settings.mailboxes.includes(name);
    }

    keep(session, content, { sender, recipients, mechanism }) {
        const id = `M${String(++this.count).padStart(9, '0')}`;
        const message_id = /^message-id: *(\S+)/im.exec(content.toString('latin1'))[1];
        fs.writeFileSync(path.join(this.settings.mail, id), content);
        this.tell('accepted', session, { id, message_id, sender, recipients, mechanism });
        return id;
    }
}

exports.Desk = Desk;
