// @slack/socket-mode 3; it answers through @slack/web-api, which it brings along.
const { answerTo } = require('./life.cjs');
const { SocketModeClient } = require('@slack/socket-mode');
const { WebClient } = require('@slack/web-api');

const slackApiUrl = process.env.SLACK_API_URL;
const web = new WebClient(process.env.SLACK_BOT_TOKEN, { slackApiUrl });
const client = new SocketModeClient({ appToken: process.env.SLACK_APP_TOKEN, clientOptions: { slackApiUrl } });
client.on('message', async ({ event, ack }) => {
  await ack();
  const text = answerTo(event.text);
  if (text) await web.chat.postMessage({ channel: event.channel, text });
});
client.on('slash_commands', ({ body, ack }) => ack({ text: `did ${body.text}` }));
client.start();
