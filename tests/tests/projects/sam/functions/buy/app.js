class TooDear extends Error {
  constructor(message) {
    super(message);
    this.name = "TooDear";
  }
}

exports.lambdaHandler = (event, context, callback) => {
  if (event.price > event.limit) throw new TooDear(`${event.price} is more than ${event.limit}`);
  setTimeout(() => callback(null, `${event.price} ${event.currency}`), 5);
};
