// botkit 0.4.2, as its README of 2016 shows it; told "talk" it sends over RTM and prints what it gets. stats_optout: at
// each spawn it would call a host for statistics.
const { say } = require('./life.cjs');

const controller = require('botkit').slackbot({ stats_optout: true });
const talks = process.argv[2] === 'talk';
const bot = controller.spawn({ token: process.env.SLACK_BOT_TOKEN, send_via_rtm: talks });
bot.api.api_url = process.env.SLACK_API_URL;

controller.hears(['^hello (\\d+)$'], ['ambient'], (its, message) => its.reply(message, `answer ${message.match[1]}`));
controller.on('rtm_open', (its) => {
  if (talks) its.rtm.on('message', say);
  say('rtm_open');
});
controller.on('rtm_close', () => say('rtm_close'));
controller.on('rtm_reconnect_failed', () => say('rtm_reconnect_failed'));
bot.startRTM();
