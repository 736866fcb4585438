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

// As many are asked for at once as keep the pool busy; one that is done makes room for the next.
const AHEAD = 1000;
const waiting = new Set();
let names;
for await (const line of createInterface({ input: createReadStream(csv) })) {
  const cells = line.split(',');
  if (!names) {
    names = cells;
    continue;
  }
  const row = Object.fromEntries(names.map((name, index) => [name, cells[index]]));
  const sending = transport
    .sendMail({
      from: 'sender@example.org',
      to: row.email,
      subject: subject(row),
      text: text(row),
      html: html(row),
      list: { unsubscribe: `https://example.org/u/${row.order}` },
    })
    .then(() => waiting.delete(sending));
  waiting.add(sending);
  if (waiting.size >= AHEAD) await Promise.race(waiting);
}
await Promise.all(waiting);
transport.close();
