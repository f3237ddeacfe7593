// Segment's own library for Node, with nothing but its host changed. Prints how each message was delivered.
import { Analytics } from '@segment/analytics-node';

const [host, writeKey, unit] = process.argv.slice(2);
const analytics = new Analytics({ host, writeKey, maxRetries: 0, flushAt: 10 });
const timestamp = new Date('2026-06-02T08:00:00Z');
const delivered = (type, message) =>
  new Promise((done) =>
    analytics[type](message, (fault, context) =>
      done({ type, messageId: context?.event.messageId, fault: fault ? String(fault) : null })));
const viewed = { experiment_id: 'guided-tour', variation_id: 'tour' };
const messages = [
  delivered('identify', { userId: unit, traits: { plan: 'pro' }, timestamp }),
  delivered('group', { userId: unit, groupId: 'acme', traits: { seats: 12 }, timestamp }),
  delivered('track', { userId: unit, event: 'Experiment Viewed', properties: viewed, timestamp }),
  delivered('track', { anonymousId: unit, event: 'activated', properties: { value: 1 }, timestamp }),
  delivered('page', { userId: unit, name: 'Prices', timestamp }),
  delivered('screen', { userId: unit, name: 'Prices', timestamp }),
];
await analytics.closeAndFlush();
for (const told of await Promise.all(messages)) console.log(JSON.stringify(told));
