// A list of people through nodemailer's pool, as its documentation shows it.
// Usage: node pool.mjs PORT CONNECTIONS CSV TEXT_TEMPLATE HTML_TEMPLATE
import { createReadStream, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { createTransport } from 'nodemailer';

const [, , port, connections, csv, textFile, htmlFile] = process.argv;
const templates = { text: readFileSync(textFile, 'utf8'), html: readFileSync(htmlFile, 'utf8') };
const transport = createTransport({
  host: '127.0.0.1',
  port: Number(port),
  name: 'bench.example.org',
  pool: true,
  maxConnections: Number(connections),
});

// The cheapest template engine there is: one replacement per message.
const fill = (template, row) => template.replace(/\{\{ (\w+) \}\}/g, (_, name) => row[name]);
const waiting = [];
let names;
for await (const line of createInterface({ input: createReadStream(csv) })) {
  const cells = line.split(',');
  if (!names) {
    names = cells;
    continue;
  }
  const row = Object.fromEntries(names.map((name, index) => [name, cells[index]]));
  waiting.push(
    transport.sendMail({
      from: 'sender@example.org',
      to: row.email,
      subject: `Your order ${row.order}, ${row.name}`,
      text: fill(templates.text, row),
      html: fill(templates.html, row),
    }),
  );
  if (waiting.length >= 1000) await Promise.all(waiting.splice(0));
}
await Promise.all(waiting);
transport.close();
