// @slack/rtm-api 7.
const { answerTo } = require('./life.cjs');
const { RTMClient } = require('@slack/rtm-api');

const rtm = new RTMClient(process.env.SLACK_BOT_TOKEN, { slackApiUrl: process.env.SLACK_API_URL });
rtm.on('message', async ({ text, channel }) => {
  const answer = answerTo(text);
  if (answer) await rtm.sendMessage(answer, channel);
});
rtm.start();
