/* The load generator: one process, one thread, HTTP/1.1 on kept connections, checking every answer.
 *
 *     load ports=P[,P...] connections=N seconds=S [warm=S] [size=BYTES] [shared=PERCENT] [rate=N] [events=N] [key=K] [first=N]
 *
 * Closed loop: each connection asks again as soon as it has its answer. With rate= an open loop: requests are due at even
 * times and latency counts from when one was due, not from when a connection was free for it. With events= the answers are
 * streams of that many events. A body is `size` bytes: one of 16 texts for the first `shared` percent of the prompt, then a
 * number that no other request has. Prints "measuring" after the warm-up, "done" at the end, then one line of JSON: what was
 * completed in between. Anything but a whole 200 is an error; the first one is told. */
#include "net.h"

enum { GROUPS = 16, HEAD = 16 * 1024, READ = 256 * 1024, DIGITS = 18, ERRORS_MAX = 1000, TAIL = 16 };

enum stage { IDLE, HEADING, LENGTH, CHUNK_SIZE, CHUNK, CHUNK_END, TRAILER, UNTIL_CLOSE };

struct samples { double *values; size_t count, room; };

struct conn {
    int fd, port, group;
    enum stage stage;
    char digits[DIGITS];
    size_t sent, total;
    bool wants_out, closing, line_open, line_empty;
    nanos due, seen;                 /* when the request was due; when its last event came */
    long events;
    char head[HEAD], tail[TAIL];
    size_t head_size, left;
};

static int epoll, port_count, ports[64], connections, idle_count, streams_begun;
static size_t body_size = 1024;
static long shared = 90, want_events, number, rate;
static const char *key = "";
static struct conn *conns, **idle;
static char *text[GROUPS];           /* head and body, with room for the number at `number_at` */
static size_t text_size, number_at;
static nanos measure_from, finish;
static bool over;
static struct samples latency, ttft, gap;
static long requests, events_seen, errors, reconnects, due_count;
static char error_text[400];

static void keep(struct samples *s, nanos span) {
    if (s->count == s->room) s->values = grown(s->values, (s->room = s->room ? 2 * s->room : 65536) * sizeof *s->values);
    s->values[s->count++] = (double)span / 1e6;
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void print_samples(const char *name, struct samples *s) {
    if (!s->count) return;
    qsort(s->values, s->count, sizeof *s->values, by_value);
    printf(",\"%s_p50\":%.4f,\"%s_p99\":%.4f,\"%s_max\":%.4f", name, s->values[s->count / 2], name,
           s->values[s->count * 99 / 100], name, s->values[s->count - 1]);
}

/* Words that differ from group to group and never need an escape in JSON. */
static void fill(char *to, size_t size, uint32_t seed) {
    for (size_t n = 0; n < size; n++) {
        seed = seed * 1664525u + 1013904223u;
        to[n] = n % 6 == 5 ? ' ' : (char)('a' + (seed >> 24) % 26);
    }
}

static void write_texts(void) {
    static const char lead[] = "{\"model\":\"bench\",\"messages\":[{\"role\":\"system\",\"content\":\"";
    static const char middle[] = "\"},{\"role\":\"user\",\"content\":\"";
    char end[256], head[1024];
    size_t end_size = (size_t)sprintf(end, "\"}],\"max_tokens\":%ld%s}", want_events ? want_events : 40,
                                      want_events ? ",\"stream\":true,\"stream_options\":{\"include_usage\":true}" : "");
    size_t fixed = sizeof lead - 1 + sizeof middle - 1 + end_size, prompt = body_size > fixed + DIGITS ? body_size - fixed : DIGITS;
    size_t common = (prompt - DIGITS) * (size_t)shared / 100, own = prompt - DIGITS - common;
    int head_size = snprintf(head, sizeof head, "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nuser-agent: load/1\r\n"
                             "accept: application/json\r\ncontent-type: application/json\r\n%s%s%scontent-length: %zu\r\n\r\n",
                             *key ? "authorization: Bearer " : "", key, *key ? "\r\n" : "", fixed + prompt);
    text_size = (size_t)head_size + fixed + prompt;
    number_at = (size_t)head_size + sizeof lead - 1 + common + sizeof middle - 1;
    for (int group = 0; group < GROUPS; group++) {
        char *to = text[group] = grown(NULL, text_size);
        to = mempcpy(to, head, (size_t)head_size);
        to = mempcpy(to, lead, sizeof lead - 1);
        fill(to, common, (uint32_t)group + 1);
        to = mempcpy(to + common, middle, sizeof middle - 1);
        fill(to, DIGITS + own, (uint32_t)group + 101);
        memcpy(to + DIGITS + own, end, end_size);
    }
}

static void open_conn(struct conn *c) {
    struct sockaddr_in at = loopback(c->port);
    if ((c->fd = socket(AF_INET, SOCK_STREAM, 0)) < 0) die("socket");
    if (connect(c->fd, (struct sockaddr *)&at, sizeof at)) die("connect");
    prompt_socket(c->fd);
    watch(epoll, EPOLL_CTL_ADD, c->fd, EPOLLIN, c);
    c->stage = IDLE, c->wants_out = c->closing = false, c->sent = c->total = 0;
}

static void reopen(struct conn *c) {
    close(c->fd);
    reconnects++;
    open_conn(c);
}

/* The request's bytes: the text of its group, but for the number. */
static void push(struct conn *c) {
    while (c->sent < c->total) {
        const char *from = text[c->group] + c->sent;
        size_t size = number_at - c->sent;
        bool more = true;
        if (c->sent >= number_at + DIGITS) size = c->total - c->sent, more = false;
        else if (c->sent >= number_at) from = c->digits + c->sent - number_at, size = number_at + DIGITS - c->sent;
        ssize_t gone = send(c->fd, from, size, MSG_NOSIGNAL | (more ? MSG_MORE : 0));
        if (gone < 0 && errno != EAGAIN) return; /* the answer, or its absence, tells why */
        if (gone >= 0) { c->sent += (size_t)gone; continue; }
        if (!c->wants_out) watch(epoll, EPOLL_CTL_MOD, c->fd, EPOLLIN | EPOLLOUT, c);
        c->wants_out = true;
        return;
    }
    if (c->wants_out) watch(epoll, EPOLL_CTL_MOD, c->fd, EPOLLIN, c);
    c->wants_out = false;
}

static void ask(struct conn *c, nanos due) {
    char digits[32];
    snprintf(digits, sizeof digits, "%0*ld", DIGITS, ++number);
    memcpy(c->digits, digits, DIGITS);
    c->group = (int)(number % GROUPS);
    c->stage = HEADING, c->head_size = 0, c->sent = 0, c->total = text_size;
    c->due = due, c->seen = 0, c->events = 0, c->line_open = c->line_empty = false;
    memset(c->tail, 0, TAIL);
    push(c);
}

static void failed(struct conn *c, const char *what) {
    if (!errors++) snprintf(error_text, sizeof error_text, "%s: %.200s", what, c->stage == IDLE ? "" : c->head);
    if (errors > ERRORS_MAX) over = true;
    if (c->seen) streams_begun--;
    reopen(c);
    if (rate) idle[idle_count++] = c;
    else ask(c, now());
}

static void finished(struct conn *c, nanos at) {
    if (want_events && (c->events < want_events + 1 || !memmem(c->tail, TAIL, "[DONE]", 6))) {
        failed(c, "a stream ended before its end");
        return;
    }
    if (c->seen) streams_begun--;
    if (at >= measure_from) {
        requests++;
        keep(&latency, at - c->due);
    }
    c->stage = IDLE;
    if (c->closing) reopen(c);
    if (rate) idle[idle_count++] = c;
    else if (at < finish) ask(c, at);
}

static void event_came(struct conn *c, nanos at) {
    if (!c->events++) streams_begun++;
    if (at >= measure_from) {
        events_seen++;
        if (c->seen) keep(&gap, at - c->seen);
        else keep(&ttft, at - c->due);
    }
    c->seen = at;
}

/* An event ends with an empty line. */
static void payload(struct conn *c, const char *data, size_t size, nanos at) {
    if (!want_events) return;
    for (const char *p = data, *end = data + size; p < end;) {
        const char *line = memchr(p, '\n', (size_t)(end - p));
        if (!line) { c->line_open = true; break; }
        if (line == p && !c->line_open && c->line_empty) event_came(c, at), c->line_empty = false;
        else c->line_empty = true;
        c->line_open = false;
        p = line + 1;
    }
    size_t kept = size < TAIL ? size : TAIL;
    memmove(c->tail, c->tail + kept, TAIL - kept);
    memcpy(c->tail + TAIL - kept, data + size - kept, kept);
}

static bool heading(struct conn *c) {
    int status = atoi(c->head + strlen("HTTP/1.1 "));
    if (strncmp(c->head, "HTTP/1.", 7) || status != 200) return false;
    c->closing = strcasestr(c->head, "\nconnection: close");
    long length = head_number(c->head, "\ncontent-length:");
    c->left = length > 0 ? (size_t)length : 0;
    if (strcasestr(c->head, "\ntransfer-encoding: chunked")) c->stage = CHUNK_SIZE;
    else c->stage = length >= 0 ? LENGTH : UNTIL_CLOSE;
    c->closing |= c->stage == UNTIL_CLOSE;
    return true;
}

/* One step through the bytes of an answer: how many it took, or -1 when the answer is no answer. */
static ssize_t step(struct conn *c, const char *data, size_t size, nanos at) {
    const char *line = memchr(data, '\n', size);
    size_t part = c->left < size ? c->left : size, to_line = line ? (size_t)(line + 1 - data) : size;
    switch (c->stage) {
    case HEADING:
        if (c->head_size + to_line >= HEAD) return -1;
        memcpy(c->head + c->head_size, data, to_line);
        c->head[c->head_size += to_line] = 0;
        if (c->head_size < 4 || memcmp(c->head + c->head_size - 4, "\r\n\r\n", 4)) return (ssize_t)to_line;
        return heading(c) ? (ssize_t)to_line : -1;
    case LENGTH:
    case CHUNK:
        payload(c, data, part, at);
        if (!(c->left -= part) && c->stage == CHUNK) c->stage = CHUNK_END;
        return (ssize_t)part;
    case CHUNK_SIZE:
        for (const char *p = data; p < data + to_line && c->left < SIZE_MAX >> 8; p++) {
            if (*p == ';' || *p == '\r' || *p == '\n') break;
            c->left = c->left * 16 + (size_t)(*p <= '9' ? *p - '0' : (*p | 32) - 'a' + 10);
        }
        if (line) c->stage = c->left ? CHUNK : TRAILER;
        return (ssize_t)to_line;
    case CHUNK_END:
        if (line) c->stage = CHUNK_SIZE;
        return (ssize_t)to_line;
    case TRAILER: /* to the empty line; no peer sends trailers */
        if (line) c->stage = LENGTH;
        return (ssize_t)to_line;
    case UNTIL_CLOSE:
        payload(c, data, size, at);
        return (ssize_t)size;
    default:
        return -1;
    }
}

static void take(struct conn *c) {
    static char data[READ];
    ssize_t got = read(c->fd, data, READ);
    nanos at = now();
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) {
        if (c->stage == IDLE) reopen(c);
        else if (c->stage == UNTIL_CLOSE) finished(c, at);
        else failed(c, "the connection was closed before the end of an answer");
        return;
    }
    for (size_t done = 0; done < (size_t)got;) {
        ssize_t took = step(c, data + done, (size_t)got - done, at);
        if (took < 0) { failed(c, "not the answer asked for"); return; }
        done += (size_t)took;
        if (c->stage == LENGTH && !c->left) { finished(c, at); return; }
    }
}

static void read_options(int argc, char **argv, double *seconds, double *warm) {
    for (int n = 1; n < argc; n++) {
        char *value = strchr(argv[n], '=');
        if (!value) { fprintf(stderr, "load: name=value, not %s\n", argv[n]); exit(2); }
        *value++ = 0;
        const char *name = argv[n];
        if (!strcmp(name, "ports"))
            for (char *p = value; p && port_count < 64; p = strchr(p, ',') ? strchr(p, ',') + 1 : NULL) ports[port_count++] = atoi(p);
        else if (!strcmp(name, "connections")) connections = atoi(value);
        else if (!strcmp(name, "seconds")) *seconds = atof(value);
        else if (!strcmp(name, "warm")) *warm = atof(value);
        else if (!strcmp(name, "size")) body_size = (size_t)atol(value);
        else if (!strcmp(name, "shared")) shared = atol(value);
        else if (!strcmp(name, "rate")) rate = atol(value);
        else if (!strcmp(name, "events")) want_events = atol(value);
        else if (!strcmp(name, "key")) key = value;
        else if (!strcmp(name, "first")) number = atol(value);
        else { fprintf(stderr, "load: no option %s\n", name); exit(2); }
    }
    if (!port_count || connections < 1 || *seconds <= 0) { fprintf(stderr, "load: ports=, connections= and seconds= are needed\n"); exit(2); }
}

/* Asks what is due, and tells when the next is. */
static nanos ask_due(nanos start) {
    for (nanos at = now(); idle_count && !over;) {
        nanos due = start + (nanos)due_count * SECOND / (nanos)rate;
        if (due > at) return due;
        due_count++;
        ask(idle[--idle_count], due);
    }
    return finish;
}

static double cpu_used(void) {
    struct timespec used;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return (double)used.tv_sec + (double)used.tv_nsec / 1e9;
}

static void report(double seconds, double cpu) {
    long late = rate ? (long)((double)(finish - measure_from) / 1e9 * (double)rate) - requests : 0;
    printf("{\"seconds\":%.6f,\"cpu\":%.6f,\"requests\":%ld,\"errors\":%ld,\"reconnects\":%ld,\"events\":%ld,\"streams_open\":%d,\"late\":%ld",
           seconds, cpu, requests, errors, reconnects, events_seen, streams_begun, late > 0 ? late : 0);
    print_samples("latency", &latency);
    print_samples("ttft", &ttft);
    print_samples("gap", &gap);
    for (char *p = error_text; *p; p++)
        if (*p < ' ' || *p == '"' || *p == '\\') *p = ' ';
    printf(",\"error\":\"%s\"}\n", error_text);
    fflush(stdout);
}

int main(int argc, char **argv) {
    double seconds = 0, warm = 0;
    read_options(argc, argv, &seconds, &warm);
    write_texts();
    if ((epoll = epoll_create1(0)) < 0) die("epoll");
    conns = calloc((size_t)connections, sizeof *conns);
    idle = calloc((size_t)connections, sizeof *idle);
    if (!conns || !idle) die("memory");
    for (int n = 0; n < connections; n++) {
        conns[n].port = ports[n % port_count];
        open_conn(&conns[n]);
        idle[idle_count++] = &conns[n];
    }
    nanos start = now();
    measure_from = start + (nanos)(warm * 1e9), finish = measure_from + (nanos)(seconds * 1e9);
    if (!rate) while (idle_count) ask(idle[--idle_count], now());
    bool measuring = false;
    while (!over) {
        struct epoll_event events[256];
        nanos next = rate ? ask_due(start) : finish, wake = measuring || next < measure_from ? next : measure_from;
        int count = wait_events(epoll, events, 256, wake);
        for (int n = 0; n < count; n++) {
            struct conn *c = events[n].data.ptr;
            if (events[n].events & EPOLLOUT) push(c);
            if (events[n].events & ~(uint32_t)EPOLLOUT) take(c);
        }
        nanos at = now();
        if (!measuring && at >= measure_from) {
            measuring = true, measure_from = at;
            printf("measuring\n");
            fflush(stdout);
        }
        over |= at >= finish;
    }
    double spent = measuring ? (double)(now() - measure_from) / 1e9 : 0, cpu = cpu_used();
    printf("%sdone\n", measuring ? "" : "measuring\n");
    fflush(stdout);
    report(spent, cpu);
    return 0;
}
