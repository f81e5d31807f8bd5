/* The null backend: as many endpoints as asked for in one process, answering at once and thinking of nothing, so that what
 * is measured is the proxy before it.
 *
 *     backend COUNT          prints "ports P P P ...", then serves until killed
 *
 * A chat completion is about 500 bytes with usage. With "stream": true in the body it is "max_tokens" events of about 160
 * bytes, one write each, the first together with the head (which is what shows Nagle's delay in a proxy), then the usage
 * if "include_usage" asks for it, and [DONE]. PUT /pace/MICROSECONDS sets the time between events for streams to come.
 * GET /counts tells the completions of each endpoint and the renders. The parameters are looked for in the first and last
 * KiB of the body: the prompt between them is not read. */
#include "net.h"
#include <signal.h>

enum { PORTS = 64, EDGE = 1024, READ = 64 * 1024 };

struct conn {
    int fd, port;
    bool listens, closed;
    char *in, *out;                /* requests not yet answered; answers not yet taken */
    size_t have, room, owed, space;
    size_t need;                   /* bytes of the request whose head is known; 0 = unknown */
    long left;                     /* events of the stream that runs */
    bool usage, queued;
    nanos due;
    struct conn *before, *after;   /* streams, by the time of their next event */
};

static int epoll, ports;
static long chats[PORTS], renders;
static nanos pace = 1000000;
static struct conn *first, *last;
static char event[512], answer[1024], opening[1024];
static size_t event_size, answer_size, opening_size;

static const char CHUNK[] = "{\"id\":\"chatcmpl-0123456789abcdef\",\"object\":\"chat.completion.chunk\",\"created\":1760000000,"
    "\"model\":\"bench\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\" word\"}}]}";
static const char USAGE[] = "{\"id\":\"chatcmpl-0123456789abcdef\",\"object\":\"chat.completion.chunk\",\"created\":1760000000,"
    "\"model\":\"bench\",\"choices\":[],\"usage\":{\"prompt_tokens\":200,\"completion_tokens\":100,\"total_tokens\":300,"
    "\"prompt_tokens_details\":{\"cached_tokens\":0}}}";
static const char WHOLE[] = "{\"id\":\"chatcmpl-0123456789abcdef\",\"object\":\"chat.completion\",\"created\":1760000000,"
    "\"model\":\"bench\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"It is a null backend that says "
    "this: the quick brown fox jumps over the lazy dog, and then over it again, since an answer of a usual size is wanted "
    "here.\"},\"logprobs\":null,\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":200,\"completion_tokens\":40,"
    "\"total_tokens\":240,\"prompt_tokens_details\":{\"cached_tokens\":0}}}";
static const char MODELS[] = "{\"object\":\"list\",\"data\":[{\"id\":\"bench\",\"object\":\"model\",\"created\":1760000000,"
    "\"owned_by\":\"bench\",\"max_model_len\":1048576}]}";
static const char METRICS[] = "# TYPE vllm:num_requests_running gauge\nvllm:num_requests_running{model_name=\"bench\"} 0\n"
    "# TYPE vllm:num_requests_waiting gauge\nvllm:num_requests_waiting{model_name=\"bench\"} 0\n"
    "# TYPE vllm:kv_cache_usage_perc gauge\nvllm:kv_cache_usage_perc{model_name=\"bench\"} 0\n";
static const char LAST_CHUNK[] = "e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n";

static void prepare(void) {
    size_t chunk = strlen(CHUNK) + strlen("data: \n\n");
    event_size = (size_t)sprintf(event, "%zx\r\ndata: %s\n\n\r\n", chunk, CHUNK);
    answer_size = (size_t)sprintf(answer, "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %zu\r\n\r\n%s",
                                  strlen(WHOLE), WHOLE);
    opening_size = (size_t)sprintf(opening, "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n"
                                   "cache-control: no-cache\r\ntransfer-encoding: chunked\r\n\r\n%s", event);
}

static void leave_queue(struct conn *c) {
    if (!c->queued) return;
    *(c->before ? &c->before->after : &first) = c->after;
    *(c->after ? &c->after->before : &last) = c->before;
    c->queued = false;
}

/* All streams share one pace, so the queue is in order without sorting. */
static void join_queue(struct conn *c) {
    c->before = last, c->after = NULL, c->queued = true;
    *(last ? &last->after : &first) = c;
    last = c;
}

static void hang_up(struct conn *c) {
    leave_queue(c);
    close(c->fd);
    c->closed = true;
}

static void say(struct conn *c, const char *data, size_t size) {
    ssize_t gone = c->owed ? 0 : write(c->fd, data, size);
    if (gone < 0 && errno != EAGAIN) { hang_up(c); return; }
    size_t sent = gone < 0 ? 0 : (size_t)gone;
    if (sent == size) return;
    if (c->owed + size - sent > c->space) c->out = grown(c->out, c->space = 2 * (c->owed + size));
    memcpy(c->out + c->owed, data + sent, size - sent);
    if (!c->owed) watch(epoll, EPOLL_CTL_MOD, c->fd, EPOLLIN | EPOLLOUT, c);
    c->owed += size - sent;
}

static void say_rest(struct conn *c) {
    ssize_t gone = write(c->fd, c->out, c->owed);
    if (gone < 0) { if (errno != EAGAIN) hang_up(c); return; }
    memmove(c->out, c->out + gone, c->owed -= (size_t)gone);
    if (!c->owed) watch(epoll, EPOLL_CTL_MOD, c->fd, EPOLLIN, c);
}

static void say_body(struct conn *c, int status, const char *type, const char *body, size_t size) {
    char head[256];
    int length = sprintf(head, "HTTP/1.1 %d %s\r\ncontent-type: %s\r\ncontent-length: %zu\r\n\r\n", status,
                         status == 200 ? "OK" : "Refused", type, size);
    say(c, head, (size_t)length);
    if (!c->closed && size) say(c, body, size);
}

static void end_stream(struct conn *c, const char *lead, size_t lead_size) {
    char tail[1024];
    size_t size = lead_size;
    memcpy(tail, lead, lead_size);
    if (c->usage) size += (size_t)sprintf(tail + size, "%zx\r\ndata: %s\n\n\r\n", strlen(USAGE) + 8, USAGE);
    memcpy(tail + size, LAST_CHUNK, sizeof LAST_CHUNK - 1);
    leave_queue(c);
    say(c, tail, size + sizeof LAST_CHUNK - 1);
}

static void next_event(struct conn *c) {
    if (--c->left == 0) { end_stream(c, event, event_size); return; }
    say(c, event, event_size);
    if (c->closed) return;
    leave_queue(c);
    c->due += pace;
    join_queue(c);
}

/* What follows `"name":` at either edge of the body, or NULL. */
static const char *field(const char *body, size_t size, const char *name) {
    size_t edge = size < EDGE ? size : EDGE;
    const char *at = memmem(body, edge, name, strlen(name));
    if (!at) at = memmem(body + size - edge, edge, name, strlen(name));
    if (!at) return NULL;
    for (at += strlen(name); at < body + size && (*at == ' ' || *at == ':'); at++) {}
    return at < body + size ? at : NULL;
}

static bool is_true(const char *value) { return value && *value == 't'; }

static void complete(struct conn *c, const char *body, size_t size) {
    chats[c->port]++;
    if (!is_true(field(body, size, "\"stream\""))) { say(c, answer, answer_size); return; }
    const char *tokens = field(body, size, "\"max_tokens\"");
    if (!tokens) tokens = field(body, size, "\"max_completion_tokens\""); /* sglang-router renames it */
    c->left = tokens ? strtol(tokens, NULL, 10) : 1;
    c->usage = is_true(field(body, size, "\"include_usage\""));
    if (c->left <= 1) { end_stream(c, opening, opening_size); return; }
    c->left--;
    say(c, opening, opening_size);
    if (c->closed) return;
    c->due = now() + pace;
    join_queue(c);
}

/* As vLLM's /render: the ids of the prompt's tokens. A token is four bytes of it here, so that prompts alike in their
 * beginning are alike in their ids. */
static void render(struct conn *c, const char *body, size_t size) {
    char *text = grown(NULL, size / 4 * 8 + 256);
    size_t at = (size_t)sprintf(text, "{\"request_id\":\"render-1\",\"model\":\"bench\",\"token_ids\":[1");
    const char *from = memmem(body, size, "\"messages\"", 10);
    for (const char *p = from ? from : body; p + 4 <= body + size; p += 4) {
        uint32_t word;
        memcpy(&word, p, 4);
        at += (size_t)sprintf(text + at, ",%u", word * 2654435761u >> 15);
    }
    at += (size_t)sprintf(text + at, "],\"sampling_params\":{\"temperature\":1.0}}");
    renders++;
    say_body(c, 200, "application/json", text, at);
    free(text);
}

static void counts(struct conn *c) {
    char text[64 * PORTS];
    size_t at = (size_t)sprintf(text, "{\"renders\":%ld,\"completions\":[", renders);
    for (int n = 0; n < ports; n++) at += (size_t)sprintf(text + at, "%s%ld", n ? "," : "", chats[n]);
    at += (size_t)sprintf(text + at, "]}");
    say_body(c, 200, "application/json", text, at);
}

static bool asks(const char *target, const char *path) {
    size_t size = strlen(path);
    return !strncmp(target, path, size) && strchr(" ?/", target[size]);
}

static void answer_request(struct conn *c, const char *head, const char *body, size_t size) {
    const char *target = strchr(head, ' '), *end = target ? strchr(++target, ' ') : NULL;
    if (!end) say_body(c, 400, "text/plain", NULL, 0);
    else if (end - target > 7 && !memcmp(end - 7, "/render", 7)) render(c, body, size);
    else if (asks(target, "/v1/chat/completions")) complete(c, body, size);
    else if (asks(target, "/health")) say_body(c, 200, "text/plain", NULL, 0);
    else if (asks(target, "/v1/models")) say_body(c, 200, "application/json", MODELS, sizeof MODELS - 1);
    else if (asks(target, "/metrics")) say_body(c, 200, "text/plain; version=0.0.4", METRICS, sizeof METRICS - 1);
    else if (asks(target, "/counts")) counts(c);
    else if (asks(target, "/pace")) pace = strtoull(target + 6, NULL, 10) * 1000, say_body(c, 200, "text/plain", NULL, 0);
    else say_body(c, 404, "text/plain", NULL, 0);
}

/* The size of the request whose head has come (the head is NUL-terminated by the way), or 0. */
static size_t request_size(struct conn *c) {
    char *end = memmem(c->in, c->have, "\r\n\r\n", 4);
    if (!end) return 0;
    end[2] = 0;
    long length = head_number(c->in, "\ncontent-length:");
    if (length < 0 && strcasestr(c->in, "\ntransfer-encoding:")) {
        say_body(c, 411, "text/plain", NULL, 0);
        if (!c->closed) hang_up(c);
    }
    return (size_t)(end + 4 - c->in) + (length > 0 ? (size_t)length : 0);
}

static void take(struct conn *c) {
    size_t want = c->need > c->have + READ ? c->need : c->have + READ;
    if (c->room < want) c->in = grown(c->in, c->room = want);
    ssize_t got = read(c->fd, c->in + c->have, c->room - c->have);
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) { hang_up(c); return; }
    c->have += (size_t)got;
    while (c->have && !c->closed) {
        if (!c->need && !(c->need = request_size(c))) return;
        if (c->closed || c->have < c->need) return;
        size_t head = strlen(c->in) + 2;
        answer_request(c, c->in, c->in + head, c->need - head);
        memmove(c->in, c->in + c->need, c->have -= c->need);
        c->need = 0;
    }
}

static void welcome(struct conn *door) {
    for (int fd; (fd = accept(door->fd, NULL, NULL)) >= 0;) {
        struct conn *c = calloc(1, sizeof *c);
        if (!c) die("memory");
        prompt_socket(c->fd = fd);
        c->port = door->port;
        watch(epoll, EPOLL_CTL_ADD, fd, EPOLLIN, c);
    }
}

static void listen_on_free_port(int number) {
    struct conn *door = calloc(1, sizeof *door);
    struct sockaddr_in at = loopback(0);
    socklen_t size = sizeof at;
    if (!door || (door->fd = socket(AF_INET, SOCK_STREAM, 0)) < 0) die("socket");
    if (bind(door->fd, (struct sockaddr *)&at, size) || listen(door->fd, 4096)) die("listen");
    if (getsockname(door->fd, (struct sockaddr *)&at, &size)) die("getsockname");
    prompt_socket(door->fd);
    door->listens = true, door->port = number;
    watch(epoll, EPOLL_CTL_ADD, door->fd, EPOLLIN, door);
    printf(" %d", ntohs(at.sin_port));
}

static void dispose(struct conn *c) {
    free(c->in);
    free(c->out);
    free(c);
}

int main(int argc, char **argv) {
    ports = argc > 1 ? atoi(argv[1]) : 0;
    if (ports < 1 || ports > PORTS) { fprintf(stderr, "usage: backend COUNT (1 to %d)\n", PORTS); return 2; }
    if ((epoll = epoll_create1(0)) < 0) die("epoll");
    signal(SIGPIPE, SIG_IGN);
    prepare();
    printf("ports");
    for (int n = 0; n < ports; n++) listen_on_free_port(n);
    printf("\n");
    fflush(stdout);
    for (;;) {
        struct epoll_event events[256];
        int count = wait_events(epoll, events, 256, first ? first->due : 0);
        for (int n = 0; n < count; n++) {
            struct conn *c = events[n].data.ptr;
            if (c->listens) { welcome(c); continue; }
            if (events[n].events & EPOLLOUT) say_rest(c);
            if (!c->closed && events[n].events & ~(uint32_t)EPOLLOUT) take(c);
            if (c->closed) dispose(c);
        }
        for (nanos at = now(); first && first->due <= at;) {
            struct conn *c = first;
            next_event(c);
            if (c->closed) dispose(c);
        }
    }
}
