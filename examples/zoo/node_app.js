// A Node application: every URL answers with its own name.
'use strict';

const http = require('http');

const port = Number(process.argv[2] || 9100);
const address = process.argv[3] || '127.0.0.1';

http.createServer((request, response) => {
  request.resume();
  response.setHeader('content-type', 'text/plain; charset=utf-8');
  response.end(`I'm Node!\r\n[${request.url}]\r\n`);
}).listen(port, address);
