'use strict';
// A producer of delayed messages with the Node.js SDK; arguments and output as in delay.py.

const { Producer } = require('rocketmq-client-nodejs');

const [ endpoint, exactTopic, plainTopic ] = process.argv.slice(2);

const emit = (event, fields) => process.stdout.write(`${JSON.stringify({ event, ...fields })}\n`);

async function main() {
  const producer = new Producer({ endpoints: endpoint, namespace: '', topics: [ exactTopic, plainTopic ] });
  await producer.startup();

  const send = async (topic, body, due, fields) => {
    const receipt = await producer.send({ topic, tag: 'interop', body: Buffer.from(body), ...fields });
    emit('sent', { body, id: receipt.messageId, due });
    return receipt.recallHandle;
  };
  const recall = async handle => {
    try {
      const receipt = await producer.recallMessage(exactTopic, handle);
      emit('recalled', { id: receipt.messageId });
    } catch (error) {
      emit('refused', { text: `${error.name}: ${error.message}` });
    }
  };

  const due = Date.now() + 10000;
  const deliveryTimestamp = new Date(due);
  const exact = await send(exactTopic, 'exact', due, { deliveryTimestamp });
  const recalled = await send(exactTopic, 'recalled', due, { deliveryTimestamp });
  await send(plainTopic, 'level', Date.now() + 1000, { properties: new Map([[ 'DELAY', '1' ]]) });
  await recall(recalled);
  await recall(recalled);
  await new Promise(resolve => process.stdin.once('data', resolve));
  await recall(exact);
  process.exit(0);
}

main().catch(error => {
  emit('error', { text: error.stack });
  process.exit(1);
});
