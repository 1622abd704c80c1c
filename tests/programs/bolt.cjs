// @slack/bolt 5.
require('./life.cjs');
const { App } = require('@slack/bolt');

const app = new App({
  token: process.env.SLACK_BOT_TOKEN,
  appToken: process.env.SLACK_APP_TOKEN,
  socketMode: true,
  clientOptions: { slackApiUrl: process.env.SLACK_API_URL },
});
app.message(/^hello (\d+)$/, async ({ context, say }) => {
  await say(`answer ${context.matches[1]}`);
});
app.command('/do', async ({ command, ack }) => {
  await ack(`did ${command.text}`);
});
app.start();
