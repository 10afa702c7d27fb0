package browser

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/scenarios"
)

const (
	// mostPictures is how many pictures of a load are kept, and how large they are in pixels: a report contains them.
	mostPictures  = 10
	pictureWidth  = 240
	pictureHeight = 240
	quality       = 50 // of JPEG, up to 100
)

// camera takes a picture of a page whenever another one is painted.
type camera struct {
	mu       sync.Mutex
	asked    float64 // when the document was asked for, in seconds since 1970
	pictures []results.Picture
	acks     chan int64 // numbers of pictures that the browser is to be told of
}

// film loads a page once more and takes pictures of it, in the order of time. Nothing of that load is measured, because
// pictures take CPU time from the page.
func film(ctx context.Context, url string, timeout time.Duration, under scenarios.Browser) ([]results.Picture, error) {
	limited, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	tab, closeTab := chromedp.NewContext(limited, chromedp.WithNewBrowserContext())
	defer closeTab()
	traffic, c := newTraffic(), &camera{acks: make(chan int64, 100)}
	err := chromedp.Listen(tab, func(event any) {
		traffic.note(event)
		c.note(event)
	})
	if err != nil {
		return nil, err
	}
	go c.acknowledge(tab)
	if err := prepare(tab, under); err != nil {
		return nil, err
	}
	_, err = chromedp.Call(tab, page.StartScreencast, page.StartScreencastParams{
		Format: page.StartScreencastFormatJpeg, Quality: new(int64(quality)),
		MaxWidth: pictureWidth, MaxHeight: pictureHeight,
	})
	if err != nil {
		return nil, err
	}
	if err := chromedp.Do(tab, chromedp.Navigate(url)); err != nil {
		return nil, err
	}
	if err := errors.Join(traffic.settle(tab), paint(tab)); err != nil {
		return nil, err
	}
	if _, err := chromedp.Call(tab, page.StopScreencast, cdp.Empty{}); err != nil {
		return nil, err
	}
	return c.chosen(), nil
}

// note takes an event of the tab.
func (c *camera) note(event any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		if c.asked == 0 {
			c.asked = e.WallTime.Float64()
		}
	case *page.EventScreencastFrame:
		select {
		case c.acks <- e.SessionID:
		default: // without an answer the browser takes no more pictures
		}
		if c.asked > 0 && e.Metadata != nil { // else it is of the empty tab
			c.pictures = append(c.pictures, results.Picture{
				At: max(0, 1000*(e.Metadata.Timestamp.Float64()-c.asked)), JPEG: e.Data,
			})
		}
	}
}

// acknowledge tells the browser that pictures have come, which is what it waits for to take more.
func (c *camera) acknowledge(tab context.Context) {
	for {
		select {
		case <-tab.Done():
			return
		case number := <-c.acks:
			_, err := chromedp.Call(tab, page.ScreencastFrameAck, page.ScreencastFrameAckParams{SessionID: number})
			if err != nil {
				return // the tab is closed
			}
		}
	}
}

// chosen are the first picture, the last, and others at about equal distances in number.
func (c *camera) chosen() []results.Picture {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := len(c.pictures)
	if n <= mostPictures {
		return c.pictures
	}
	kept := make([]results.Picture, 0, mostPictures)
	for i := range mostPictures {
		kept = append(kept, c.pictures[i*(n-1)/(mostPictures-1)])
	}
	return kept
}
