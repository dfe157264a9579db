/* What the other side or a peer did wrong, in words for a person. A hostile server can cause any number of findings, so
 * both their count and the bytes kept as evidence are bounded; what is past the bound is refused all the same. */
#include "sync_priv.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

device_text edn_device_text(const edn_device_id *id)
{
    device_text t;

    edn_hex_encode(t.s, id->b, 8);
    return t;
}

static bool said_already(const edn_sync *s, edn_status st, const about *a)
{
    for (size_t i = 0; i < s->findings_n; i++) {
        const edn_sync_finding *f = &s->findings[i];
        if (f->status != st || f->has_device != (a->device != NULL) || f->has_link != (a->link_seq != NULL))
            continue;
        if ((!a->device || (device_equal(&f->device, a->device) && f->dseq == a->dseq)) &&
            (!a->link_seq || f->link_seq == *a->link_seq))
            return true;
    }
    return false;
}

/* Cut at a character. */
static void text_set(edn_sync_finding *f, const char *fmt, va_list args)
{
    int n = vsnprintf(f->text, sizeof f->text, fmt, args);

    if (n >= (int)sizeof f->text)
        f->text[edn_utf8_check(edn_bytes_str(f->text), NULL)] = 0;
}

static edn_status evidence_set(edn_sync *s, edn_sync_finding *f, edn_bytes evidence)
{
    uint8_t *p;

    if (evidence.n == 0 || evidence.n > EVIDENCE_SIZE_MAX - s->evidence_size)
        return EDN_OK;
    if (!(p = malloc(evidence.n)))
        return EDN_E_NOMEM;
    memcpy(p, evidence.p, evidence.n);
    f->evidence = edn_bytes_of(p, evidence.n);
    s->evidence_size += evidence.n;
    return EDN_OK;
}

edn_status edn_sync_find(edn_sync *s, edn_status st, const about *a, const char *fmt, ...)
{
    edn_sync_finding *f;
    edn_status got;
    va_list args;

    if (said_already(s, st, a) || s->findings_n == FINDINGS_MAX)
        return EDN_OK;
    if (!s->findings && !(s->findings = calloc(FINDINGS_MAX, sizeof *s->findings)))
        return EDN_E_NOMEM;
    f = &s->findings[s->findings_n];
    *f = (edn_sync_finding){.status = st, .dseq = a->dseq};
    if ((got = evidence_set(s, f, a->evidence)) != EDN_OK)
        return got;
    if (a->device) {
        f->has_device = true;
        f->device = *a->device;
    }
    if (a->link_seq) {
        f->has_link = true;
        f->link_seq = *a->link_seq;
    }
    va_start(args, fmt);
    text_set(f, fmt, args);
    va_end(args);
    s->findings_n++;
    return EDN_OK;
}

void edn_sync_findings_dispose(edn_sync *s)
{
    for (size_t i = 0; i < s->findings_n; i++)
        free((void *)(uintptr_t)s->findings[i].evidence.p); /* ours: copied by evidence_set */
    free(s->findings);
    s->findings = NULL;
    s->findings_n = 0;
}

size_t edn_sync_findings(const edn_sync *s, const edn_sync_finding **out)
{
    *out = s->findings;
    return s->findings_n;
}
