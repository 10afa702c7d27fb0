// A script of k6 as its documentation writes them: https://grafana.com/docs/k6/latest/using-k6/
import http from 'k6/http';
import { check, group, sleep } from 'k6';
import { Trend } from 'k6/metrics';
import { randomIntBetween, randomItem, uuidv4 } from 'https://jslib.k6.io/k6-utils/1.4.0/index.js';
import papaparse from 'https://jslib.k6.io/papaparse/5.1.1/index.js';
import { SharedArray } from 'k6/data';

const BASE_URL = __ENV.BASE_URL || 'https://shop.example.com';
const API_KEY = 'sk-live-51H8abcdefSECRET';
const colors = ['red', 'green', 'blue'];
const users = new SharedArray('users', function () {
  return papaparse.parse(open('./users.csv'), { header: true }).data;
});
const slow = new Trend('slow_pages');

export const options = {
  scenarios: {
    browse: {
      executor: 'ramping-arrival-rate',
      startRate: 5,
      timeUnit: '1s',
      preAllocatedVUs: 20,
      maxVUs: 200,
      stages: [
        { target: 50, duration: '30s' },
        { target: 50, duration: '2m' },
      ],
      exec: 'browse',
    },
    buy: { executor: 'constant-vus', vus: 10, duration: '2m30s', startTime: '10s', exec: 'buy' },
  },
  thresholds: {
    http_req_failed: ['rate<0.01'],
    'http_req_duration{scenario:buy}': ['p(95)<500', { threshold: 'p(99)<1500', abortOnFail: true, delayAbortEval: '10s' }],
    'http_req_duration{name:login}': ['p(95)<400'],
    slow_pages: ['avg<200'],
    checks: ['rate>0.99'],
  },
  noConnectionReuse: false,
};

export function setup() {
  http.post(`${BASE_URL}/admin/reset`, null);
}

function headers(token) {
  return { headers: { Authorization: `Bearer ${token}`, 'X-Api-Key': API_KEY, 'X-Request-ID': uuidv4() } };
}

export function browse() {
  const page = randomIntBetween(1, 20);
  http.get(`${BASE_URL}/articles?page=${page}&color=${randomItem(colors)}`);
  const res = http.get(`${BASE_URL}/articles/${Math.floor(Math.random() * 1000) + 1}`, { tags: { name: 'article' } });
  check(res, {
    'status is 200 or 404': (r) => r.status === 200 || r.status === 404,
    'is JSON': (r) => r.headers['Content-Type'].includes('application/json'),
    'has a title': (r) => r.json('title') !== undefined,
    'speaks of prices': (r) => r.body.includes('"price"') && r.body.indexOf('€') !== -1,
    'is fast': (r) => r.timings.duration < 200,
  });
}

export function buy() {
  const user = users[Math.floor(Math.random() * users.length)];
  let token;
  group('login', () => {
    const res = http.post(
      `${BASE_URL}/login`,
      JSON.stringify({ user: user.name, password: user.password, remember: true }),
      { headers: { 'Content-Type': 'application/json' }, tags: { name: 'login' } },
    );
    check(res, { 'logged in': (r) => r.status == 200 && r.json().token !== null });
    token = res.json('token');
  });
  const order = http.post(`${BASE_URL}/orders`, { article: 17, note: 'as a gift & soon' }, headers(token));
  if (order.status === 201) {
    const id = order.json().order.id;
    http.put(`${BASE_URL}/orders/${id}/payment`, JSON.stringify({ amount: 12.5 }), headers(token));
  }
  for (let i = 0; i < 2; i++) {
    http.get(`${BASE_URL}/news/${i}`);
  }
  http.get('https://stats.example.net/pixel.gif');
  slow.add(order.timings.duration);
  sleep(1.5);
}
