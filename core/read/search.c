/* Searches and scans of a reader: preparing the query, and choosing between graph and scan. */
#include "read/graph_search.h"
#include "read/hits.h"
#include "read/scan.h"

/* How many hits are wanted, so that the nearest by exact distance are among them. */
static size_t count_wanted_hits(const hny_reader *reader, const hny_search *search) {
    const size_t live = reader->view.table.live;
    const size_t k = search->k < live ? (size_t)search->k : live;
    const size_t wanted =
        search->k ? hny__quantizer_rerank(&reader->view.geometry.quantizer, k, search->ef)
                  : search->ef;
    return wanted < live ? wanted : live;
}

/* Resets the reader's and the search's state, and encodes the query. */
static int begin_search(hny_reader *reader, hny_search *search, size_t limit) {
    search->hits = NULL;
    search->count = 0;
    search->exhaustive = false;
    reader->filter = NULL;
    reader->matches = NULL;
    reader->work = (hny_work){HNY_SCAN, 0, 0};
    if (limit == 0) {
        return HNY_OK;
    }
    const int rc = hny__reader_make_encoder(reader);
    if (rc) {
        return rc;
    }
    hny__encode_query(&reader->encoder, search->vector, reader->code);
    hny__scorer_of_vector(&reader->scorer, &reader->encoder, reader->code);
    return HNY_OK;
}

/* Has the search looked at every row?  Then all of them are hits unless there was no space. */
static void end_search(const hny_reader *reader, hny_search *search, size_t limit, int rc) {
    if (rc) {
        search->count = 0;
    }
    search->exhaustive = !rc && reader->work.strategy != HNY_GRAPH &&
                         (search->count < limit || limit == reader->view.table.live);
}

static int find_matches(hny_reader *reader, const hny_search *search) {
    const int rc = hny__filter_cache_get(&reader->filters, &reader->view, search->filter,
                                         search->interrupt, &reader->matches);
    if (!rc) {
        reader->work.matches = reader->matches->count;
    }
    return rc;
}

/* Gets memory for `limit` hits, and scans. */
static int scan_rows(hny_reader *reader, hny_search *search, const hny_hit *after, size_t limit) {
    search->hits = search->reserve(search->arg, limit);
    return search->hits ? hny__scan_codes(reader, search, after, limit) : HNY_NOMEM;
}

int hny_reader_scan(hny_reader *reader, hny_search *search) {
    const size_t limit = count_wanted_hits(reader, search);
    int rc = begin_search(reader, search, limit);
    if (!rc && limit && search->filter) {
        rc = find_matches(reader, search);
    }
    if (!rc && limit) {
        rc = scan_rows(reader, search, search->after, limit);
    }
    end_search(reader, search, limit, rc);
    return rc;
}

/* ---------------------------------------------------------------------- graph search or scan -- */

/*
** A filtered graph search passes through everything and keeps what matches.  If one row in n
** matches, it computes up to n times the distances of an unfiltered search, and each costs
** DISTANCE_COST times one of a scan, which reads rows in order.  A scan computes one distance per
** match; with 4-bit codes, whose bounds are looser, it reads the residual codes of more rows.
*/
#define BASE_DISTANCES     500 /* of an unfiltered search with ef 10, */
#define DISTANCES_PER_EF   12  /* and for each candidate beyond those */
#define DISTANCE_COST      2.5
#define DISTANCE_COST_INT4 1.3

/* If more rows than this share match, the graph is better in any case, and they are not counted. */
#define LARGE_SHARE 0.3

/* Of an unfiltered search. */
static double usual_distances(uint32_t ef) {
    return BASE_DISTANCES + DISTANCES_PER_EF * (double)(ef > 10 ? ef - 10 : 0);
}

/*
** Is a graph search cheaper than a scan where so many rows match?  It scans the rows that are not
** linked yet, too.
*/
static bool graph_is_cheaper(const hny_reader *reader, uint32_t ef, double matches) {
    const double share = matches / reader->view.table.live;
    const double cost = reader->view.geometry.quantizer.codes == HNY_CODES_INT4 ? DISTANCE_COST_INT4
                                                                                : DISTANCE_COST;
    const hny__table_record *const table = &reader->view.table;
    return matches > 0 && table->entry_slot != HNY__NONE &&
           cost * usual_distances(ef) / share + table->unlinked < matches;
}

/*
** Chooses by the number of matches, or by an estimate where that is enough; reader->matches stays
** NULL then.  *max_distances is when the graph search gives up: after as many distances as the scan
** computes, so that both together cost at most twice the scan.
*/
static int choose_strategy(hny_reader *reader, const hny_search *search, uint32_t ef,
                           bool *use_graph, uint64_t *max_distances) {
    double share = 0;
    int rc = HNY_OK;
    if (!hny__filter_cache_find(&reader->filters, search->filter)) {
        rc = hny__filter_estimate(search->filter, &reader->view, &share);
    }
    const double estimate = share * reader->view.table.live;
    *use_graph = share > LARGE_SHARE && graph_is_cheaper(reader, ef, estimate);
    *max_distances = (uint64_t)estimate;
    if (rc || *use_graph) {
        return rc;
    }
    rc = find_matches(reader, search);
    if (rc) {
        return rc;
    }
    *use_graph = graph_is_cheaper(reader, ef, reader->matches->count);
    *max_distances = reader->matches->count;
    return HNY_OK;
}

static hny__effort_plan plan_search(const hny_reader *reader, const hny_search *search) {
    double recall = search->recall;
    if (search->k == 0) {
        return hny__uniform_plan(hny__classic_effort(search->ef));
    }
    /* Calibration does not know filters: a fifth of what may be missed is held in reserve. */
    if (search->filter) {
        recall += (1 - recall) / 5;
    }
    return hny__effort_for(&reader->view.table, search->k, search->ef, recall);
}

/* The hits of a scan, in the order of a search's. */
static int scan_instead(hny_reader *reader, hny_search *search, size_t limit) {
    const int rc = scan_rows(reader, search, NULL, limit);
    if (!rc) {
        hny__hits_sort(search->hits, search->count);
    }
    return rc;
}

static int search_filtered(hny_reader *reader, hny_search *search, size_t limit) {
    const hny__effort_plan plan = plan_search(reader, search);
    bool use_graph;
    uint64_t max_distances;
    reader->filter = search->filter;
    int rc = choose_strategy(reader, search, plan.efforts[0].ef, &use_graph, &max_distances);
    if (rc) {
        return rc;
    }
    if (use_graph) {
        reader->work.strategy = HNY_GRAPH;
        rc = hny__graph_search(reader, search, &plan, max_distances);
        const size_t wanted = search->k && search->k < limit ? (size_t)search->k : limit;
        const size_t found = reader->measured_count;
        if (rc || found >= wanted || (reader->matches && found >= reader->matches->count)) {
            return rc ? rc : hny__graph_hits(reader, search);
        }
        reader->work.strategy = HNY_GRAPH_THEN_SCAN;
        if (!reader->matches) {
            rc = find_matches(reader, search);
        }
    }
    return rc ? rc : scan_instead(reader, search, limit);
}

/*
** Where rows are hidden, a query into a region of them passes through all of them.  It is given up
** for a scan after as many distances as take the time of the scan, and not before it took several
** times as many as usual.
*/
static uint64_t max_unfiltered_distances(const hny_reader *reader, uint32_t ef) {
    const hny__table_record *const table = &reader->view.table;
    if (!reader->mask && table->deleted == 0) {
        return 0;
    }
    return (uint64_t)(table->slots / DISTANCE_COST + 4 * usual_distances(ef));
}

static int search_unfiltered(hny_reader *reader, hny_search *search, size_t limit) {
    if (reader->view.table.entry_slot == HNY__NONE) {
        return scan_instead(reader, search, limit);
    }
    const hny__effort_plan plan = plan_search(reader, search);
    reader->work.strategy = HNY_GRAPH;
    const int rc = hny__graph_search(reader, search, &plan,
                                     max_unfiltered_distances(reader, plan.efforts[0].ef));
    if (rc || !hny__beam_gave_up(&reader->beam)) {
        return rc ? rc : hny__graph_hits(reader, search);
    }
    reader->work.strategy = HNY_GRAPH_THEN_SCAN;
    return scan_instead(reader, search, limit);
}

int hny_reader_search(hny_reader *reader, hny_search *search) {
    const size_t limit = count_wanted_hits(reader, search);
    int rc = begin_search(reader, search, limit);
    if (!rc && limit) {
        rc = search->filter ? search_filtered(reader, search, limit)
                            : search_unfiltered(reader, search, limit);
    }
    end_search(reader, search, limit, rc);
    return rc;
}

const hny_work *hny_reader_work(const hny_reader *reader) {
    return &reader->work;
}
