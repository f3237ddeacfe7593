// graphql-sse in distinct connections mode: the public client. Prints what it hears, a JSON value a line.
import { createClient } from 'graphql-sse';

const [url, key, query, id, events] = process.argv.slice(2);
const say = (value) => console.log(JSON.stringify(value));
const client = createClient({ url, headers: { authorization: `Bearer ${key}` }, retryAttempts: 0 });
let heard = 0;
try {
  for await (const result of client.iterate({ query, variables: { id } })) {
    say(result);
    heard += 1;
    if (heard === Number(events)) break;
  }
  say({ ended: true });
} catch (fault) {
  say({ failed: { status: fault.response?.status ?? null, message: fault.message } });
}
client.dispose();
