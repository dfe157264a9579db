#include "http_priv.h"

#include <stdio.h>

/* /healthz and /metrics: for whoever runs the server. */

static void metric(edn_buf *b, const char *name, const char *type, const char *help, uint64_t value)
{
    char text[256];

    snprintf(text, sizeof text, "# HELP ednd_%s %s\n# TYPE ednd_%s %s\nednd_%s %llu\n", name, help, name, type, name,
             (unsigned long long)value);
    edn_put_str(b, text);
}

static void metrics(edn_httpd *h, edn_buf *b)
{
    edn_server_stats s = edn_server_stats_get(h->core);

    metric(b, "requests_total", "counter", "Requests handled.", s.requests);
    metric(b, "requests_denied_total", "counter", "Requests and logins that were not let in.", s.denied);
    metric(b, "requests_rejected_total", "counter", "Requests of a wrong form, size or address.", s.rejected);
    metric(b, "requests_limited_total", "counter", "Requests above a rate.", s.limited);
    metric(b, "conflicts_total", "counter", "Appends that came too late or do not continue a chain.", s.conflicts);
    metric(b, "failures_total", "counter", "Answers that say that the server failed.", s.failures);
    metric(b, "accounts_added_total", "counter", "Accounts made.", s.accounts_added);
    metric(b, "logins_total", "counter", "Logins that succeeded.", s.logins);
    metric(b, "batches_total", "counter", "Batches stored.", s.batches);
    metric(b, "batch_bytes_total", "counter", "Bytes of batches stored.", s.batch_bytes);
    metric(b, "commits_total", "counter", "Groups made durable.", s.commits);
    metric(b, "probes_total", "counter", "Questions whether there is something new.", s.probes);
    metric(b, "probes_new_total", "counter", "Of these, answered yes.", s.probes_new);
    metric(b, "cache_hits_total", "counter", "Accounts found in memory.", s.cache_hits);
    metric(b, "cache_misses_total", "counter", "Accounts read from the store.", s.cache_misses);
    metric(b, "blobs_swept_total", "counter", "Blobs removed because nothing named them for seven days.",
           s.blobs_swept);
    metric(b, "cache_accounts", "gauge", "Accounts in memory.", s.cached_accounts);
    metric(b, "cache_bytes", "gauge", "Memory that they take, about.", s.cached_bytes);
    metric(b, "connections", "gauge", "Open connections.", h->conns_n);
    metric(b, "connections_timed_out_total", "counter", "Connections ended for being too slow.", h->timed_out);
    metric(b, "streams", "gauge", "Open event streams.", h->streams_n);
    metric(b, "stream_events_total", "counter", "Events sent to streams.", h->stream_events);
    metric(b, "body_memory_bytes", "gauge", "Bodies that are being received.", h->body_memory);
}

bool edn_httpd_page(edn_httpd *h, request *r)
{
    const union MHD_ConnectionInfo *info;
    bool health = edn_bytes_equal(r->rq.path, edn_bytes_str("/healthz"));

    if (!health && !edn_bytes_equal(r->rq.path, edn_bytes_str("/metrics")))
        return false;
    info = MHD_get_connection_info(r->c->mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    if (r->rq.method != EDN_SERVER_GET && r->rq.method != EDN_SERVER_HEAD) {
        edn_httpd_refuse(r, 405, "method", "not a method of this address");
    } else if (!health && (!info || !edn_address_loopback(info->client_addr) ||
                           MHD_lookup_connection_value(r->c->mhd, MHD_HEADER_KIND, "X-Forwarded-For"))) {
        edn_httpd_refuse(r, 404, "missing", "nothing is here"); /* for those who run the server only */
    } else {
        r->answer.body = EDN_BUF_INIT(65536);
        r->answer.status = 200;
        r->answer.type = health ? "text/plain" : "text/plain; version=0.0.4";
        if (health)
            edn_put_str(&r->answer.body, "ok\n");
        else
            metrics(h, &r->answer.body);
    }
    return true;
}
