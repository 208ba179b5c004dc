// The client of grpc_who.py on @grpc/grpc-js-xds: node grpc_who.js TARGET
const grpc = require('@grpc/grpc-js');
require('@grpc/grpc-js-xds').register();

const client = new grpc.Client(process.argv[2], grpc.credentials.createInsecure());
const same = (bytes) => bytes;

function call() {
  const deadline = new Date(Date.now() + 20000);
  client.makeUnaryRequest('/interop.Who/Name', same, same, Buffer.alloc(0), {deadline}, (error, answer) => {
    console.log(error ? `error ${error.code} ${error.details}` : `ok ${answer}`);
    setTimeout(call, 4);
  });
}
call();
