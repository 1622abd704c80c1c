// @slack/rtm-api 7. It answers over RTM, or, told "web", through @slack/web-api, which it brings along; told "talk" it
// prints what it gets, and which of its messages the library takes for answered.
const { answerTo, say } = require('./life.cjs');
const { RTMClient } = require('@slack/rtm-api');
const { WebClient } = require('@slack/web-api');

const talks = process.argv[2] === 'talk';
const slackApiUrl = process.env.SLACK_API_URL;
const rtm = new RTMClient(process.env.SLACK_BOT_TOKEN, { slackApiUrl });
const web = new WebClient(process.env.SLACK_BOT_TOKEN, { slackApiUrl });
rtm.on('message', async ({ text: said, channel }) => {
  const text = answerTo(said);
  if (!text) return;
  if (process.argv[2] === 'web') await web.chat.postMessage({ channel, text });
  else await rtm.sendMessage(text, channel).then((reply) => talks && say(`answered ${text}: ${reply.text}`));
});
if (talks) rtm.on('slack_event', (_, event) => say(JSON.stringify(event)));
rtm.start();
