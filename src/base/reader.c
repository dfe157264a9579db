#include "base.h"

edn_reader edn_reader_init(edn_bytes in)
{
    /* An empty input may have no address, and arithmetic on NULL is not defined. */
    static const uint8_t nothing[1];
    const uint8_t *p = in.p ? in.p : nothing;
    return (edn_reader){p, p, p + in.n, EDN_OK, NULL, 0};
}

edn_status edn_reader_status(const edn_reader *r) { return r->st; }
size_t edn_reader_left(const edn_reader *r) { return (size_t)(r->end - r->p); }

void edn_reader_fail(edn_reader *r, edn_status st, const char *field)
{
    if (r->st != EDN_OK)
        return;
    r->st = st;
    r->field = field;
    r->at = (size_t)(r->p - r->start);
    r->p = r->end;
}

bool edn_reader_has(edn_reader *r, uint64_t count, size_t size_min)
{
    if (r->st != EDN_OK)
        return false;
    if (size_min == 0 || count <= edn_reader_left(r) / size_min)
        return true;
    edn_reader_fail(r, EDN_E_FORMAT, "count");
    return false;
}

edn_status edn_reader_end(edn_reader *r)
{
    if (r->st == EDN_OK && r->p != r->end)
        edn_reader_fail(r, EDN_E_FORMAT, "trailing bytes");
    return r->st;
}

edn_bytes edn_read_bytes(edn_reader *r, size_t n, const char *field)
{
    edn_bytes out;

    if (r->st == EDN_OK && n > edn_reader_left(r))
        edn_reader_fail(r, EDN_E_FORMAT, field);
    if (r->st != EDN_OK)
        return EDN_BYTES_EMPTY;
    out = edn_bytes_of(r->p, n);
    r->p += n;
    return out;
}

void edn_read_into(edn_reader *r, void *to, size_t n, const char *field)
{
    edn_bytes b = edn_read_bytes(r, n, field);

    if (b.n == n && n)
        memcpy(to, b.p, n);
    else
        memset(to, 0, n);
}

uint8_t edn_read_u8(edn_reader *r, const char *field)
{
    uint8_t t[1];
    edn_read_into(r, t, sizeof t, field);
    return t[0];
}

uint16_t edn_read_u16(edn_reader *r, const char *field)
{
    uint8_t t[2];
    edn_read_into(r, t, sizeof t, field);
    return edn_load_u16(t);
}

uint32_t edn_read_u32(edn_reader *r, const char *field)
{
    uint8_t t[4];
    edn_read_into(r, t, sizeof t, field);
    return edn_load_u32(t);
}

uint64_t edn_read_u64(edn_reader *r, const char *field)
{
    uint8_t t[8];
    edn_read_into(r, t, sizeof t, field);
    return edn_load_u64(t);
}

uint64_t edn_read_varint(edn_reader *r, const char *field)
{
    uint64_t v = 0;
    const uint8_t *p = r->p;

    for (unsigned shift = 0; shift < 70 && p < r->end; shift += 7) {
        uint8_t byte = *p++;
        if (shift == 63 && byte > 1)
            break; /* more than 64 bits */
        v |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80)) {
            if (byte == 0 && shift > 0)
                break; /* a longer form of a shorter number */
            r->p = p;
            return v;
        }
    }
    edn_reader_fail(r, EDN_E_FORMAT, field);
    return 0;
}

edn_bytes edn_read_lp(edn_reader *r, size_t size_max, const char *field)
{
    uint32_t n = edn_read_u32(r, field);

    if (n > size_max) {
        edn_reader_fail(r, EDN_E_FORMAT, field);
        return EDN_BYTES_EMPTY;
    }
    return edn_read_bytes(r, n, field);
}
