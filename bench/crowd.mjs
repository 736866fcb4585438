// A list of people through nodemailer's pool, as its documentation shows it, with handlebars.
// Usage: node crowd.mjs PORT CONNECTIONS CSV TEXT_TEMPLATE HTML_TEMPLATE [CA_FILE]
import { createReadStream, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import Handlebars from 'handlebars';
import { createTransport } from 'nodemailer';

const [, , port, connections, csv, textFile, htmlFile, ca] = process.argv;
const subject = Handlebars.compile('Your order {{ order }}, {{ name }}', { noEscape: true });
const text = Handlebars.compile(readFileSync(textFile, 'utf8'), { noEscape: true });
const html = Handlebars.compile(readFileSync(htmlFile, 'utf8'));
const transport = createTransport({
  host: '127.0.0.1',
  port: Number(port),
  name: 'bench.example.org',
  secure: Boolean(ca),
  tls: ca ? { ca: readFileSync(ca) } : undefined,
  pool: true,
  maxConnections: Number(connections),
});

// As its documentation has it: another message is handed over when the pool has room for it.
let hasRoom = () => {};
transport.on('idle', () => hasRoom());
const sent = [];
let names;
for await (const line of createInterface({ input: createReadStream(csv) })) {
  const cells = line.split(',');
  if (!names) {
    names = cells;
    continue;
  }
  const row = Object.fromEntries(names.map((name, index) => [name, cells[index]]));
  while (!transport.isIdle()) await new Promise((resolve) => (hasRoom = resolve));
  sent.push(
    transport.sendMail({
      from: 'sender@example.org',
      to: row.email,
      subject: subject(row),
      text: text(row),
      html: html(row),
      list: { unsubscribe: `https://example.org/u/${row.order}` },
    }),
  );
}
await Promise.all(sent);
transport.close();
