// One bot on one of the clients that npm installs, held as its documentation shows, until this process is ended.
//
//     TOKEN=… API_URL=… node node_client.cjs rtm-api|socket-mode|botkit|botkit-2016
//
// An error that nobody catches ends the process, as it would end the bot's.

const token = process.env.TOKEN;
const apiUrl = process.env.API_URL;
const MINUTE_MS = 60_000;

// stats_optout: at each spawn botkit would call a host for statistics.
function botkit(onController) {
  const controller = require('botkit').slackbot({ stats_optout: true });
  const bot = controller.spawn({ token });
  bot.api.api_url = apiUrl;
  onController(controller, bot);
}

const clients = {
  'rtm-api': () => {
    const { RTMClient } = require('@slack/rtm-api');
    return new RTMClient(token, { slackApiUrl: apiUrl }).start();
  },

  'socket-mode': () => {
    const { SocketModeClient } = require('@slack/socket-mode');
    return new SocketModeClient({ appToken: token, clientOptions: { slackApiUrl: apiUrl } }).start();
  },

  // As published: by itself it makes three tries, after 1006 only.
  botkit: () => botkit((_, bot) => bot.startRTM()),

  // What ended the trouble of 2016: on each close start again, on a failure again in a minute.
  'botkit-2016': () =>
    botkit((controller, bot) => {
      const start = () =>
        bot.startRTM((error) => {
          if (error) setTimeout(start, MINUTE_MS);
        });
      controller.on('rtm_close', start);
      start();
    }),
};

clients[process.argv[2]]();
