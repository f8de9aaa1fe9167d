// Go with mattn/go-sqlite3.  notes EXTENSION FOLDER
package main

import (
	"bytes"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"log"
	"os"
	"reflect"
	"sync"

	"github.com/mattn/go-sqlite3"
)

type hit struct {
	ID       int64
	Distance float64
}

var (
	query   = blob(700.25, 1)
	nearest = []hit{{700, 0.25}, {702, 1.75}, {698, 2.25}}
)

func blob(numbers ...float32) []byte {
	var b bytes.Buffer
	binary.Write(&b, binary.LittleEndian, numbers)
	return b.Bytes()
}

func check(err error) {
	if err != nil {
		log.Output(2, err.Error())
		os.Exit(1)
	}
}

func expect(got, want any) {
	if !reflect.DeepEqual(got, want) {
		log.Output(2, fmt.Sprintf("expected %v, got %v", want, got))
		os.Exit(1)
	}
}

type querier interface {
	Query(string, ...any) (*sql.Rows, error)
}

func search(db querier, k any) []hit {
	rows, err := db.Query(
		`SELECT id, distance FROM notes
		  WHERE knn_match(vector, ?) AND kind = ? AND k = ?`, query, "even", k)
	check(err)
	defer rows.Close()
	var hits []hit
	for rows.Next() {
		var h hit
		check(rows.Scan(&h.ID, &h.Distance))
		hits = append(hits, h)
	}
	check(rows.Err())
	return hits
}

func open(file string) *sql.DB {
	db, err := sql.Open("sqlite3_hannoy", "file:"+file+"?_busy_timeout=60000&_txlock=immediate")
	check(err)
	return db
}

func main() {
	// Each connection of the pool loads the extension.
	sql.Register("sqlite3_hannoy", &sqlite3.SQLiteDriver{Extensions: []string{os.Args[1]}})
	file := os.Args[2] + "/go.db"
	db := open(file)

	_, err := db.Exec(`CREATE VIRTUAL TABLE notes USING hannoy(
		id INTEGER PRIMARY KEY, dim=2, metric=l2, kind TEXT)`)
	check(err)
	tx, err := db.Begin()
	check(err)
	insert, err := tx.Prepare("INSERT INTO notes(id, vector, kind) VALUES (?, ?, ?)")
	check(err)
	for i := 1; i <= 1500; i++ {
		_, err = insert.Exec(i, blob(float32(i), 1), []string{"even", "odd"}[i%2])
		check(err)
	}
	check(tx.Commit())
	expect(search(db, 3), nearest)
	expect(search(db, 3.0), nearest)
	expect(search(db, "3"), nearest)

	tx, err = db.Begin()
	check(err)
	result, err := tx.Exec("INSERT INTO notes(vector, kind) VALUES (?, 'even')", query)
	check(err)
	id, err := result.LastInsertId()
	check(err)
	expect(id, int64(1501))
	_, err = tx.Exec("DELETE FROM notes WHERE id = ?", 700)
	check(err)
	expect(search(tx, 1), []hit{{1501, 0}})
	check(tx.Rollback())
	expect(search(db, 3), nearest)

	// Goroutines share the pool; each takes a connection.
	var group sync.WaitGroup
	for n := 1; n <= 4; n++ {
		group.Add(1)
		go func(n int) {
			defer group.Done()
			for i := 0; i < 20; i++ {
				expect(search(db, 3), nearest)
				_, err := db.Exec("INSERT INTO notes(id, vector, kind) VALUES (?, ?, 'odd')",
					10000*n+i, fmt.Sprintf("[%d, 1]", 5000*n+i))
				check(err)
			}
		}(n)
	}
	group.Wait()
	check(db.Close())

	db = open(file)
	var count int
	check(db.QueryRow("SELECT count(*) FROM notes").Scan(&count))
	expect(count, 1580)
	expect(search(db, 3), nearest)
	_, err = db.Exec("INSERT INTO notes(id, vector) VALUES (1, '[1, 2, 3]')")
	var failure sqlite3.Error
	expect(errors.As(err, &failure), true)
	check(db.Close())
	fmt.Println("1 passed, 0 failed")
}
