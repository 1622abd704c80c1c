// A program lives as long as whoever started it holds its standard input open: none is left over.
process.stdin.on('end', () => process.exit(0)).resume();

// What every program here does: to "hello N" it says "answer N".
exports.answerTo = (text) => {
  const heard = /^hello (\d+)$/.exec(text || '');
  return heard && `answer ${heard[1]}`;
};

exports.say = (line) => process.stdout.write(`${line}\n`);
